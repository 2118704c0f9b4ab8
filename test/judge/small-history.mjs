// Small random histories on one block, right and wrong, to compare the two checkers on.
import { createBlock } from '#domain/block.js'
import { draft } from '#domain/draft.js'
import { evolve, initialState } from '#domain/streams.js'
import { oneOf, pick, seeded } from './random.mjs'
import { digest } from './record.mjs'
import { expected } from './specification.mjs'

const BLOCK = 'block-a'
const ACTOR = { kind: 'user', id: 'u' }
const POLICIES = ['overwrite', 'preserve', 'guard', 'merge']
const WORDS = ['one', 'two', 'aa', 'b']
const OPERATIONS_MIN = 3
const OPERATIONS_SPREAD = 5
const UNKNOWN_SHARE = 0.12
const SPOILT_SHARE = 0.65

/**
 * @param {number} seed
 * @returns {{ history: import('./record.mjs').Operation[], log: import('./record.mjs').Log }}
 */
export function smallHistory(seed) {
  const random = seeded(seed)
  const policies = { rethink: oneOf(random, POLICIES) }
  const created = createBlock(initialState(BLOCK), 'one\ntwo\naaa', { label: 'a', policies })
  const state = draft(initialState(BLOCK), created.value.events, { actor: ACTOR, now: '' })
  const count = OPERATIONS_MIN + pick(random, OPERATIONS_SPREAD)
  const made = make(random, state, count)
  const base = new Map([[BLOCK, { state, events: [] }]])
  if (random() < SPOILT_SHARE) spoil(random, made)
  return { history: made.history, log: { base, events: made.events, heads: {}, feeds: [] } }
}

/** One after another, then stretched over time so that they overlap. */
function make(random, start, count) {
  const history = []
  const events = []
  let state = start
  for (let i = 0; i < count; i++) {
    const spread = 3 * random()
    const operation = {
      ...ask(random, i, state.version),
      t_invoke: i - spread * random(),
      t_return: i + 0.1 + spread * random(),
    }
    if (operation.kind === 'read') {
      const sight = { version: state.version, digest: digest(state.value) }
      history.push({ ...operation, outcome: { status: 'read', blocks: { [BLOCK]: sight } } })
      continue
    }
    const isUnknown = random() < UNKNOWN_SHARE
    if (isUnknown && random() < 0.5) {
      history.push({
        ...operation,
        t_return: Number.POSITIVE_INFINITY,
        outcome: { status: 'unknown' },
      })
      continue
    }
    const judged = expected({ block: () => state }, operation)
    const outcome = judged.ok
      ? { status: 'ok', version: judged.versions, changed: judged.changed }
      : { status: 'rejected', code: judged.rejection.code, at: { [BLOCK]: state.version } }
    history.push({ ...operation, outcome: isUnknown ? { status: 'unknown' } : outcome })
    for (const { event } of judged.ok ? judged.appends : []) {
      const version = state.version + 1
      const recorded = { ...event, version, actor: ACTOR, correlation: null, recordedAt: '' }
      state = evolve(state, recorded)
      events.push({ ...recorded, stream: BLOCK, position: version, command: operation.command })
    }
  }
  return { history, events }
}

function ask(random, i, version) {
  const asked = { op_id: `op-${i}`, command: `op-${i}`, process: `p-${i}`, actor: ACTOR }
  if (random() < 0.3) return { ...asked, kind: 'read', edits: [] }
  const change = changeOf(random, i)
  const base = random() < 0.5 ? { baseVersion: 1 + pick(random, version) } : {}
  return { ...asked, kind: 'edit', edits: [{ blockId: BLOCK, change, ...base }] }
}

function changeOf(random, i) {
  const kind = random()
  const numbered = false
  if (kind < 0.4) {
    const place = random() < 0.5 ? { at: 'end' } : { at: 'line', line: pick(random, 4) }
    return { type: 'InsertText', text: `line ${i}`, place, numbered }
  }
  if (kind < 0.75) {
    return {
      type: 'ReplaceText',
      old: oneOf(random, WORDS),
      new: oneOf(random, WORDS),
      all: false,
      numbered,
    }
  }
  return { type: 'RethinkBlock', text: `whole ${i % 2}`, numbered }
}

/** One thing that may make it wrong; some of them leave it right. */
function spoil(random, { history, events }) {
  const operation = oneOf(random, history)
  const other = oneOf(random, history)
  const { outcome } = operation
  switch (pick(random, 9)) {
    case 0:
      // Both take place later, or earlier.
      return shift(operation, 2 - 4 * random())
    case 1:
      return shift(operation, 4 - 8 * random())
    case 2:
      ;[operation.outcome, other.outcome] = [other.outcome, operation.outcome]
      return mend(operation, other)
    case 3:
      if (events.length > 0) events.splice(pick(random, events.length), 1)
      return undefined
    case 4:
      if (events.length > 0)
        events.push({
          ...oneOf(random, events),
          position: events.length + 2,
          version: events.length + 2,
        })
      return undefined
    case 5:
      if (outcome.status === 'read') outcome.blocks[BLOCK].version += random() < 0.5 ? 1 : -1
      if (outcome.status === 'ok') outcome.version[BLOCK] += random() < 0.5 ? 1 : -1
      if (outcome.status === 'rejected') outcome.at[BLOCK] += random() < 0.5 ? 1 : -1
      return undefined
    case 6:
      if (outcome.status === 'read') outcome.blocks[BLOCK].digest = digest('other')
      return undefined
    case 7:
      if (outcome.status === 'rejected') outcome.code = 'replace_ambiguous'
      if (outcome.status === 'ok')
        operation.outcome = { status: 'rejected', code: 'replace_no_match', at: outcome.version }
      return undefined
    default:
      return swap(random, events)
  }
}

function shift(operation, by) {
  operation.t_invoke += by
  operation.t_return += by
}

/** What has no answer has no end; reads are answered as reads. */
function mend(...operations) {
  for (const operation of operations) {
    const isRead = operation.outcome.status === 'read'
    if (isRead !== (operation.kind === 'read')) operation.outcome = { status: 'unknown' }
    if (operation.outcome.status === 'unknown') operation.t_return = Number.POSITIVE_INFINITY
    else if (operation.t_return === Number.POSITIVE_INFINITY)
      operation.t_return = operation.t_invoke + 1
  }
}

function swap(random, events) {
  if (events.length < 2) return
  const at = pick(random, events.length - 1)
  const [one, next] = [events[at], events[at + 1]]
  events[at] = { ...next, version: one.version, position: one.position }
  events[at + 1] = { ...one, version: next.version, position: next.position }
}
