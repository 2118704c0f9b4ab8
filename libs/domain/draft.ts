import type { Actor, Correlation } from './actor.js'
import type { DomainEvent, Recorded } from './event.js'
import { type AnyEvent, type AnyState, evolve } from './streams.js'

/**
 * The state as it will be once `events` are committed: for a unit whose later decisions build on its
 * earlier ones (a new agent and its new blocks).
 */
export function draft<S extends AnyState>(
  state: S,
  events: readonly DomainEvent[],
  by: {
    readonly actor: Actor
    readonly now: string
    readonly correlation?: Correlation | null
  },
): S {
  return events.reduce<AnyState>((current, event) => {
    const recorded: Recorded<AnyEvent> = {
      ...(event as AnyEvent),
      version: current.version + 1,
      actor: by.actor,
      commandId: '',
      correlation: by.correlation ?? null,
      baseVersion: null,
      recordedAt: by.now,
    }
    return evolve(current, recorded)
  }, state) as S
}
