// What an operation must come to, by the domain alone: how the service is built plays no part in it.
import { attach, deleteBlock, detach, patchBlock } from '#domain/attachment.js'
import { createBlock, decideBlock } from '#domain/block.js'
import { missingPast, withPast } from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import { recordReturn } from '#domain/turn-steps.js'

/** Tools after which a turn ends: the judge's turns have none. */
export const TERMINAL = new Set([])

/**
 * @typedef {object} States
 * @property {(id: string) => any} block
 * @property {(id: string) => any} agent
 * @property {(id: string) => any} turn
 * @property {(id: string, version: number) => any} past a block's text at a version, and what changed it since
 *
 * @typedef {{ readonly ok: true, readonly appends: readonly any[], readonly changed: boolean,
 *   readonly receipts: readonly unknown[], readonly versions: Record<string, number> }
 *   | { readonly ok: false, readonly rejection: any }} Expected
 */

/**
 * The events of an operation on these states, in order, or why it is refused.
 *
 * @param {States} states able to tell what the operation's writer had not seen
 * @param {import('./record.mjs').Operation} operation
 * @returns {Expected}
 */
export function expected(states, operation) {
  const judged = judgeEdits(states, operation)
  if (!operation.tool) return judged
  const { runId, step, index, toolCallId } = operation.tool
  const returned = { step, index, tool_call_id: toolCallId, ...tellReturn(judged, operation) }
  const turn = states.turn(runId)
  const events = recordReturn(turn, returned, TERMINAL, nextRequest)
  // Recorded before: a tool call has one return, and its edit is made once.
  if (events.length === 0) {
    return {
      ok: true,
      appends: [],
      changed: false,
      receipts: [],
      versions: { [runId]: turn.version },
    }
  }
  const appends = [
    ...(judged.ok ? judged.appends : []),
    ...events.map((event) => ({ streamId: runId, event })),
  ]
  const versions = { [runId]: turn.version + events.length }
  return { ok: true, appends, changed: true, receipts: [], versions }
}

/**
 * What the model is told: only what is judged, so that it can be compared.
 *
 * @param {Expected} judged
 * @param {import('./record.mjs').Operation} operation
 */
function tellReturn(judged, { edits }) {
  const block_id = /** @type {import('./record.mjs').Edit} */ (edits.at(-1)).blockId
  if (judged.ok) {
    const version = judged.versions[block_id]
    const block = { block_id, version, changed: judged.changed }
    return { status: /** @type {const} */ ('success'), result: 'ok', block }
  }
  const { code, atVersion, facts } = judged.rejection
  const refused = /** @type {import('./record.mjs').Edit} */ (edits[facts.member ?? 0]).blockId
  const block = { block_id: refused, version: atVersion, changed: false }
  return { status: /** @type {const} */ ('error'), result: code, code, block }
}

/**
 * @param {number} step
 * @param {Readonly<Record<string, number>>} seen
 */
export function nextRequest(step, seen) {
  const history = { omitted: 0, from_message_id: null }
  const hashes = { context_hash: '', request_hash: '' }
  return { step, model: 'judge/none', seen, agent_version: 1, history, ...hashes }
}

/**
 * @param {States} states
 * @param {import('./record.mjs').Operation} operation
 * @returns {Expected}
 */
function judgeEdits(states, { edits, actor, tool }) {
  const [only] = edits
  const drafts = new Map()
  const block = (id) => drafts.get(id) ?? states.block(id)
  const agent = (id) => drafts.get(id) ?? states.agent(id)
  const appends = []
  const receipts = []
  const versions = {}
  const by = { actor, now: '', correlation: tool ? { run_id: tool.runId } : null }
  let changed = false
  for (const [member, edit] of edits.entries()) {
    const writer = {
      actor,
      baseVersion: edit.baseVersion ?? null,
      ifMatch: edit.ifMatch ?? null,
      runId: tool?.runId ?? null,
    }
    const change = withText(states, edit)
    const state = remembering(states, block(edit.blockId), change, writer)
    const judged = judgeChange(state, agent, change, writer)
    if (!judged.ok) {
      const { rejection } = judged
      return { ok: false, rejection: { ...rejection, facts: { ...rejection.facts, member } } }
    }
    appends.push(...judged.value.appends)
    receipts.push(judged.value.receipt)
    const own = judged.value.appends.filter(({ streamId }) => streamId === edit.blockId).length
    versions[edit.blockId] = block(edit.blockId).version + own
    changed ||= own > 0
    if (edits.length === 1) break
    for (const { streamId, event } of judged.value.appends) {
      const state = streamId.startsWith('block-') ? block(streamId) : agent(streamId)
      drafts.set(streamId, draft(state, [event], by))
    }
  }
  return { ok: true, appends, receipts: only ? receipts : [], versions, changed }
}

/** A block goes back to what the log has, whatever text came with the command. */
function withText(states, { blockId, change }) {
  if (change.type !== 'RestoreBlock') return change
  return { ...change, text: states.past(blockId, change.version).value }
}

const CHANGES_OF_ATTACHMENT = ['CreateBlock', 'DeleteBlock', 'AttachBlock', 'DetachBlock']

function remembering(states, block, change, writer) {
  if (CHANGES_OF_ATTACHMENT.includes(change.type)) return block
  const since = missingPast(block, change, writer)
  return since === null ? block : withPast(block, states.past(block.id, since))
}

function judgeChange(block, agent, change, writer) {
  const blockId = block.id
  const attached = () => Object.keys(block.attached).map(agent)
  switch (change.type) {
    case 'CreateBlock':
      return told(createBlock(block, change.value, change.settings), blockId)
    case 'DeleteBlock':
      return silent(deleteBlock(block, change.reason, attached(), writer))
    case 'AttachBlock':
      return silent(attach(block, agent(change.agentId), change.right))
    case 'DetachBlock':
      return silent(detach(block, agent(change.agentId), writer.actor))
    case 'PatchBlock': {
      const agents = change.settings.label === undefined ? [] : attached()
      return patchBlock(block, change, writer, agents)
    }
    default:
      return told(decideBlock(block, change, writer), blockId)
  }
}

function told(decided, streamId) {
  if (!decided.ok) return decided
  const { events, receipt } = decided.value
  return { ok: true, value: { appends: events.map((event) => ({ streamId, event })), receipt } }
}

function silent(decided) {
  return decided.ok ? { ok: true, value: { appends: decided.value, receipt: null } } : decided
}
