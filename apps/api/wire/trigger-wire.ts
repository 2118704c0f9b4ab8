import { z } from 'zod'
import { DEBOUNCE_MS, DEBOUNCE_MS_MAX } from '#domain/trigger.js'
import { withinLength } from '#producer/message.js'
import type { TriggerView } from '#read-models/triggers.js'
import { absentOr, id, integer, text } from '../http/validation.js'
import { wireTime, wireTimeOrNull } from './time-wire.js'

/** A trigger to be set. A field that is not known is refused: a misspelt one would change nothing. */
export const newTrigger = z.strictObject({
  block_id: id('block'),
  debounce_ms: absentOr(integer({ min: 0, max: DEBOUNCE_MS_MAX })),
  input: absentOr(text().min(1).superRefine(withinLength)),
})
export type NewTriggerBody = z.output<typeof newTrigger>

export function debounceOf({ debounce_ms = DEBOUNCE_MS }: NewTriggerBody): number {
  return debounce_ms
}

/** `pending`: what it will wake for, and when; `refused`: the newest change that was too deep to wake. */
export function renderTrigger(view: TriggerView) {
  const { from_version, to_version, depth, due_at } = view
  const { refusals: count, refused_version: version, refused_run_id: run_id } = view
  return {
    id: view.trigger_id,
    agent_id: view.agent_id,
    block_id: view.block_id,
    debounce_ms: view.debounce_ms,
    input: view.input,
    created_at: wireTime(view.created_at),
    created_by: view.created_by,
    pending: due_at && { from_version, to_version, depth, due_at: wireTimeOrNull(due_at) },
    last_run_id: view.run_id,
    refused: version === null ? null : { count, version, run_id },
  }
}
