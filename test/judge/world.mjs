// Where schedules begin: blocks, agents and turns that stand already, made by the domain.

import { createAgent } from '#domain/agent.js'
import { attach } from '#domain/attachment.js'
import { createBlock } from '#domain/block.js'
import { evolve, initialState } from '#domain/streams.js'
import { DEFAULT_OPTIONS, NO_USAGE } from '#domain/turn.js'
import { queueTurn, recordReply, startTurn } from '#domain/turn-steps.js'
import { pick } from './random.mjs'
import { nextRequest } from './specification.mjs'

export const BLOCKS = ['block-a', 'block-b']
/** Does not exist yet. */
export const NEW_BLOCK = 'block-new'
export const AGENTS = ['agent-x', 'agent-y']
export const TOOL_CALLS = 8

const by = { actor: { kind: 'user', id: 'setup' }, now: '2026-01-05T08:00:00.000Z' }
const VALUES = ['one\ntwo 😀\naaa\tb', 'café\none\naa', 'one']
const LIMITS = [100_000, 60]
const POLICIES = ['overwrite', 'preserve', 'guard', 'merge'].flatMap((rethink) =>
  ['text', 'strict'].flatMap((replace) =>
    ['end', 'reject'].map((anchor_lost) => ({ rethink, replace, anchor_lost })),
  ),
)

/** @type {ReadonlySet<string>} */
const NO_APPROVAL = new Set()

const made = new Map()

/**
 * The states before anything happens: policies, limits and texts by the seed.
 *
 * @param {import('./random.mjs').Seeded} random
 * @returns {import('./record.mjs').Log['base']}
 */
export function worldOf(random) {
  const policies = pick(random, POLICIES.length)
  const limit = random() < 0.5 ? 1 : 0
  const value = pick(random, VALUES.length)
  const key = `${policies}/${limit}/${value}`
  const known = made.get(key)
  if (known) return known
  const world = make(
    [POLICIES[policies], POLICIES[POLICIES.length - 1 - policies]],
    LIMITS[limit],
    VALUES[value],
  )
  made.set(key, world)
  return world
}

function make(policies, limit, value) {
  const states = new Map()
  for (const [i, id] of BLOCKS.entries()) {
    const settings = { label: id, limit, policies: policies[i] }
    add(states, id, must(createBlock(initialState(id), value, settings)).events)
  }
  for (const id of AGENTS) {
    const settings = { name: id, system: '', model: 'judge/none' }
    add(states, id, must(createAgent(initialState(id), settings, [])))
    for (const block of BLOCKS) {
      if (id === 'agent-y' && block === 'block-b') continue
      for (const append of must(attach(stateOf(states, block), stateOf(states, id)))) {
        add(states, append.streamId, [append.event])
      }
    }
    begin(states, id)
  }
  return states
}

/** A turn whose model has asked for a few tool calls. */
function begin(states, agentId) {
  const id = runOf(agentId)
  const input = [{ role: 'user', content: 'go', name: null, otid: null, sender_id: null }]
  const payload = {
    agent_id: agentId,
    input,
    source: 'rest',
    policy: 'enqueue',
    request_hash: null,
  }
  const rest = {
    idempotency_key: null,
    budget: { max_steps: 50 },
    deadline: null,
    options: DEFAULT_OPTIONS,
  }
  add(states, id, must(queueTurn(initialState(id), { ...payload, ...rest })))
  const claim = { workerId: 'worker-1', epoch: 1 }
  add(states, id, startTurn(stateOf(states, id), claim, nextRequest(1, {})))
  const tool_calls = Array.from({ length: TOOL_CALLS }, (_, index) => {
    return { tool_call_id: `call-${index}`, name: 'memory', arguments: '{}' }
  })
  const response = { content: null, reasoning: null, tool_calls, finish_reason: 'tool_calls' }
  const reply = { step: 1, response, usage: NO_USAGE, latency_ms: 1, provider_response_id: null }
  add(states, id, recordReply(stateOf(states, id), reply, NO_APPROVAL))
}

export function runOf(agentId) {
  return `run-${agentId}`
}

function add(states, id, added) {
  let { state, events } = states.get(id) ?? { state: initialState(id), events: [] }
  for (const event of added) {
    const version = state.version + 1
    const recorded = { ...event, version, actor: by.actor, correlation: null, recordedAt: by.now }
    state = evolve(state, recorded)
    events = [...events, recorded]
  }
  states.set(id, { state, events })
}

function stateOf(states, id) {
  return states.get(id)?.state ?? initialState(id)
}

function must(decided) {
  if (!decided.ok) throw new Error(decided.rejection.detail)
  return decided.value
}
