import { type AgentState, createAgent, initialAgent } from '#domain/agent.js'
import type { BlockCommand, SettingsPatch } from '#domain/block-events.js'
import type { BlockState } from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import type { Decided } from '#domain/event.js'
import type { AnyState, Append } from '#domain/streams.js'
import { created as block, now, user } from './block-commands.js'

/** Blocks and agents, and what is appended to both sides. */
export const by = { actor: user, now }

export function agentOf(n: number): AgentState {
  const blank = initialAgent(`agent-${n}`)
  const decided = createAgent(blank, { name: `agent${n}`, system: 's', model: 'openai/m' }, [])
  if (!decided.ok) throw new Error(decided.rejection.detail)
  return draft(blank, decided.value, by)
}

export const blockOf = (n: number, label: string, settings: SettingsPatch = {}): BlockState => ({
  ...block('text', { ...settings, label }),
  id: `block-${n}`,
})
export const patch = (settings: SettingsPatch, value?: string) =>
  ({ type: 'PatchBlock', settings, ...(value === undefined ? {} : { value }) }) as Extract<
    BlockCommand,
    { type: 'PatchBlock' }
  >

export function acceptedOf(decided: Decided<readonly Append[]>): readonly Append[] {
  if (decided.ok) return decided.value
  throw new Error(`${decided.rejection.code}: ${decided.rejection.detail}`)
}

/** States after appends, each on its own stream. */
export function appended<S extends AnyState>(state: S, appends: readonly Append[]): S {
  return draft(
    state,
    appends.filter(({ streamId }) => streamId === state.id).map(({ event }) => event),
    by,
  )
}

export const codeOf = (decided: Decided<unknown>): string | null =>
  decided.ok ? null : decided.rejection.code
