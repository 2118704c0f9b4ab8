import { createBlock, decideBlock } from '#domain/block.js'
import type {
  BlockCommand,
  BlockDecision,
  BlockEvent,
  Receipt,
  Right,
  SettingsPatch,
  Writer,
} from '#domain/block-events.js'
import {
  type BlockState,
  changeOf,
  evolveBlock,
  initialBlock,
  isEdit,
} from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import type { Rejection } from '#domain/errors.js'
import type { Foldable, Recorded } from '#domain/event.js'

/** The commands of a block as plain words, from its state to its state: given, when, then. */
export const now = '2026-01-05T09:00:00.000Z'
export const user = { kind: 'user', id: 'local' } as const
export const agent = (n: number) =>
  ({ kind: 'agent', id: `agent-${n}`, name: `agent${n}` }) as const
/** Says nothing of what it has seen. */
export const blind: Writer = { actor: user, baseVersion: null }

/** Who has seen this state of the block, in a turn of its own. */
export function saw({ version }: BlockState, n = 1): Writer {
  return { actor: { kind: 'user', id: `user-${n}` }, baseVersion: version, runId: `run-${n}` }
}

export function created(value: string, settings: SettingsPatch = {}): BlockState {
  const state = initialBlock('block-1')
  const decided = createBlock(state, value, { label: 'notes', ...settings })
  if (!decided.ok) throw new Error(decided.rejection.detail)
  return draft(state, decided.value.events, { actor: user, now })
}

export function attached(state: BlockState, n: number, right: Right = 'edit'): BlockState {
  const event: BlockEvent = {
    type: 'AgentAttached',
    payload: { intent: { agent_id: agent(n).id, right }, effect: [], length: state.length },
  }
  return draft(state, [event], { actor: user, now })
}

/** The same block after so many events that left its text alone. */
export function aged(state: BlockState, versions: number): BlockState {
  return { ...state, version: state.version + versions }
}

export const insert = (text: string, line?: number): BlockCommand => ({
  type: 'InsertText',
  text,
  place: line === undefined ? { at: 'end' } : { at: 'line', line },
  numbered: true,
})
export const insertAfter = (anchor: string, text: string): BlockCommand => ({
  type: 'InsertText',
  text,
  place: { at: 'after', anchor },
  numbered: true,
})
export const insertOnce = (text: string): BlockCommand => ({
  type: 'InsertText',
  text,
  place: { at: 'end' },
  unique: true,
  numbered: true,
})
export const replace = (old: string, to: string, all = false): BlockCommand => ({
  type: 'ReplaceText',
  old,
  new: to,
  all,
  numbered: false,
})
export const rethink = (text: string): BlockCommand => ({
  type: 'RethinkBlock',
  text,
  numbered: false,
})
export const undo = (version: number): BlockCommand => ({ type: 'RevertEdit', version })
export const restore = (version: number, text: string): BlockCommand => ({
  type: 'RestoreBlock',
  version,
  text,
})
export const applyPatch = (...lines: readonly string[]): BlockCommand => ({
  type: 'PatchText',
  patch: lines.join('\n'),
})
export const configure = (settings: SettingsPatch, value?: string): BlockCommand => ({
  type: 'PatchBlock',
  settings,
  ...(value === undefined ? {} : { value }),
})

export function accepted(
  state: BlockState,
  command: BlockCommand,
  writer: Writer = blind,
): BlockDecision {
  const decided = decideBlock(state, command, writer)
  if (decided.ok) return decided.value
  throw new Error(`${decided.rejection.code}: ${decided.rejection.detail}`)
}

export function recorded(
  state: BlockState,
  event: BlockEvent,
  writer: Writer,
): Recorded<BlockEvent> {
  return {
    ...event,
    version: state.version + 1,
    actor: writer.actor,
    commandId: '',
    correlation: writer.runId ? { run_id: writer.runId } : null,
    baseVersion: writer.baseVersion,
    recordedAt: now,
  }
}

export function edited(
  state: BlockState,
  command: BlockCommand,
  writer: Writer = blind,
): BlockState {
  return accepted(state, command, writer).events.reduce(
    (current, event) => evolveBlock(current, recorded(current, event, writer)),
    state,
  )
}

export function receipt(
  state: BlockState,
  command: BlockCommand,
  writer: Writer = blind,
): Receipt | null {
  return accepted(state, command, writer).receipt
}

export function refusal(
  state: BlockState,
  command: BlockCommand,
  writer: Writer = blind,
): Rejection {
  const decided = decideBlock(state, command, writer)
  if (!decided.ok) return decided.rejection
  throw new Error(`accepted: ${JSON.stringify(decided.value)}`)
}

export function code(
  state: BlockState,
  command: BlockCommand,
  writer: Writer = blind,
): string | null {
  const decided = decideBlock(state, command, writer)
  return decided.ok ? null : decided.rejection.code
}

/** What receipts and refusals say of the change that made this state. */
export function madeBy({ version }: BlockState, type: string, { actor }: Writer) {
  return { version, actor, type }
}

/** The block's changes, as its memory has them. */
export function changed(event: Foldable<BlockEvent>) {
  if (!isEdit(event)) throw new Error(`${event.type} changes no text`)
  return changeOf(event)
}

/** What any word may write: no line of a numbered view. */
export function storable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0') && !/\p{Nd}+→/u.test(text)
}
