import {
  type BlockCommand,
  type BlockDecision,
  type BlockSettings,
  decided,
  type SettingsChange,
  type SettingsPatch,
  type Writer,
} from './block-events.js'
import { limitBelowLength } from './block-refusals.js'
import { rethink } from './block-rethink.js'
import type { BlockState } from './block-state.js'
import { accept, type Decided, reject } from './event.js'

/** Letta's PATCH: a new value is a rethink, everything else a change of settings, both in one commit. */
export function patch(
  state: BlockState,
  command: Extract<BlockCommand, { type: 'PatchBlock' }>,
  writer: Writer,
): Decided<BlockDecision> {
  const { value, settings } = command
  const limit = settings.limit ?? state.settings.limit
  const whole = { type: 'RethinkBlock', text: value ?? '', numbered: false } as const
  const texts =
    value === undefined ? accept(decided([], null)) : rethink(state, whole, writer, limit)
  if (!texts.ok) return texts
  const { events, receipt } = texts.value
  const length = events[0]?.payload.length ?? state.length
  if (length > limit) return reject(limitBelowLength(state, length, limit))
  const change = settingsChange(state.settings, settings)
  if (Object.keys(change).length === 0) return texts
  const configured = {
    type: 'BlockConfigured',
    payload: { intent: change, effect: [], length },
  } as const
  return accept(decided([...events, configured], receipt))
}

function settingsChange(from: BlockSettings, patch: SettingsPatch): SettingsChange {
  const to: Partial<BlockSettings> = {
    ...patch,
    policies: { ...from.policies, ...patch.policies },
  }
  const changed = (Object.keys(to) as (keyof BlockSettings)[]).filter(
    (key) => to[key] !== undefined && JSON.stringify(to[key]) !== JSON.stringify(from[key]),
  )
  return Object.fromEntries(changed.map((key) => [key, { from: from[key], to: to[key] }]))
}
