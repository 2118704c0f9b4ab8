// Whether a small history on one block is linearizable, by trying every order (Wing and Gong): slow, and obviously
// right. It is what the linear checker is compared with.
import { isDeepStrictEqual } from 'node:util'
import { draft } from '#domain/draft.js'
import { digest } from './record.mjs'
import { expected } from './specification.mjs'

/**
 * @param {readonly import('./record.mjs').Operation[]} history of one block, without retries
 * @param {import('./record.mjs').Log} log
 * @returns {boolean} true when there is an order of all operations that were answered, and of some that were not, in
 * which each comes to what it was told and the log comes to what it is, and which no two operations contradict that
 * did not overlap
 */
export function isLinearizable(history, { base, events }) {
  const [[id, { state }]] = [...base]
  const inOrder = [...events].sort((a, b) => a.position - b.position)
  return search({ id, history, events: inOrder, open: new Set(history), state, written: 0 })
}

function search({ id, history, events, open, state, written }) {
  const answered = [...open].filter(({ outcome }) => outcome.status !== 'unknown')
  if (answered.length === 0 && written === events.length) return true
  for (const operation of open) {
    // Somebody was answered before this one began: it cannot come first.
    if (answered.some((other) => other !== operation && other.t_return < operation.t_invoke))
      continue
    const next = step(id, operation, state, events, written)
    if (!next) continue
    const rest = new Set(open)
    rest.delete(operation)
    if (search({ id, history, events, open: rest, ...next })) return true
  }
  return false
}

/** What the operation does if it comes next, or null if it cannot. */
function step(id, operation, state, events, written) {
  const { outcome } = operation
  if (outcome.status === 'read') {
    const sight = outcome.blocks[id]
    const same = sight.version === state.version && sight.digest === digest(state.value)
    return same ? { state, written } : null
  }
  const states = { block: () => state, agent: none, turn: none, past: none }
  const judged = expected(states, operation)
  if (outcome.status === 'rejected') {
    const same =
      !judged.ok && judged.rejection.code === outcome.code && outcome.at[id] === state.version
    return same ? { state, written } : null
  }
  if (!judged.ok) return null
  const told = outcome.status === 'ok'
  if (told && (outcome.version[id] !== judged.versions[id] || outcome.changed !== judged.changed))
    return null
  const { actor } = operation
  const by = { actor, now: '' }
  let next = state
  for (const [i, { event }] of judged.appends.entries()) {
    const found = events[written + i]
    if (!found || found.command !== operation.command || found.type !== event.type) return null
    if (found.version !== next.version + 1) return null
    if (!isDeepStrictEqual(found.payload, event.payload)) return null
    next = draft(next, [event], by)
  }
  return { state: next, written: written + judged.appends.length }
}

function none() {
  throw new Error('a small history has one block')
}
