import type { Actor, Correlation } from '#domain/actor.js'
import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import type { AnyState, Append } from '#domain/streams.js'
import type { TurnState } from '#domain/turn.js'
import type { States } from '#event-store/unit.js'

/** States as they will be once what a unit has decided so far is committed. */
export class DraftedStates implements States {
  readonly #drafts = new Map<string, AnyState>()

  constructor(
    private readonly states: States,
    private readonly by: {
      readonly actor: Actor
      readonly now: string
      readonly correlation?: Correlation | null
    },
  ) {}

  add(appends: readonly Append[]): void {
    for (const { streamId, event } of appends) {
      this.#drafts.set(streamId, draft(this.#state(streamId), [event], this.by))
    }
  }

  has(streamId: string): boolean {
    return this.states.has(streamId)
  }

  block(blockId: string): BlockState {
    return (this.#drafts.get(blockId) as BlockState | undefined) ?? this.states.block(blockId)
  }

  agent(agentId: string): AgentState {
    return (this.#drafts.get(agentId) as AgentState | undefined) ?? this.states.agent(agentId)
  }

  turn(runId: string): TurnState {
    return (this.#drafts.get(runId) as TurnState | undefined) ?? this.states.turn(runId)
  }

  #state(streamId: string): AnyState {
    return streamId.startsWith('block-') ? this.block(streamId) : this.agent(streamId)
  }
}
