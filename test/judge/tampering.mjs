// Decisions, bent: what most seeded bugs are made of.
import { apply, length } from '#domain/text.js'

/**
 * Judges as the service does, then bends what came out of it.
 *
 * @param {(decision: any, call: any, states: any) => any} bend
 */
export function bending(bend) {
  return (call, states, now) => {
    const decision = call.unit.decide(states, now)
    if ('needs' in decision || 'since' in decision) return decision
    return bend(decision, call, states)
  }
}

/**
 * Judges another request than the one that came.
 *
 * @param {(edit: any, block: any, call: any) => any} change the edit as it is taken
 */
export function mistaking(change) {
  return (call, states, now) => {
    const edits = call.operation.edits.map((edit) => change(edit, states.block(edit.blockId), call))
    const same = edits.every((edit, i) => edit === call.operation.edits[i])
    return same ? call.unit.decide(states, now) : call.remake(edits).decide(states, now)
  }
}

/** The only edit of a call that is no batch, or null: most bugs live there. */
export function onlyEdit({ operation }) {
  return operation.kind === 'edit' ? operation.edits[0] : null
}

/**
 * An acceptance with one event on the block whose text it changes.
 *
 * @param {any} block
 * @param {string} type
 * @param {object} intent
 * @param {readonly any[]} effect
 * @param {unknown} receipt
 */
export function acceptance(block, type, intent, effect, receipt) {
  const payload = { intent, effect, receipt, length: length(apply(block.value, effect)) }
  const appends = [{ streamId: block.id, event: { type, payload }, baseVersion: null }]
  return {
    appends,
    result: { block_id: block.id, version: block.version + 1, changed: true, receipt },
  }
}

/**
 * The same decision with other effects on text.
 *
 * @param {any} decision
 * @param {(effect: readonly any[], event: any, streamId: string) => readonly any[]} change
 */
export function withEffects(decision, change) {
  if (!decision.appends) return decision
  const appends = decision.appends.map((append) => {
    const { effect } = append.event.payload
    if (!Array.isArray(effect) || effect.length === 0) return append
    const payload = {
      ...append.event.payload,
      effect: change(effect, append.event, append.streamId),
    }
    return { ...append, event: { ...append.event, payload } }
  })
  return { ...decision, appends }
}
