import type { Actor, Correlation } from '#domain/actor.js'
import type { AgentState } from '#domain/agent.js'
import type { BlockState } from '#domain/block-state.js'
import type { Rejection } from '#domain/errors.js'
import type { Recorded } from '#domain/event.js'
import type { AnyEvent, AnyState, Append } from '#domain/streams.js'
import type { TurnState } from '#domain/turn.js'
import type { Projected } from '#postgres/tables.js'

/** The folded states a unit decides on, at the versions its commit will confirm. */
export interface States {
  /** True for a stream the unit has named or asked for. */
  has(streamId: string): boolean
  block(blockId: string): BlockState
  agent(agentId: string): AgentState
  turn(runId: string): TurnState
}

/**
 * What a unit decides. It may ask for more first, and is then decided again: for further streams
 * (`needs`), or for blocks to remember what happened since a version (`since`). `result` is plain JSON: it is stored, and a retry with the same command id gets it again.
 */
export type Decision<T> =
  | Wanted
  | { readonly rejection: Rejection }
  | {
      readonly appends: readonly Append[]
      readonly result: T
      /** What it asked of another stream, and was refused: listed there. */
      readonly refused?: { readonly streamId: string; readonly rejection: Rejection }
    }

export type Wanted =
  | { readonly needs: readonly string[] }
  | { readonly since: ReadonlyMap<string, number> }

/** Under which claim of an agent's mailbox a worker writes. */
export interface MailboxClaim {
  readonly epoch: number
  /**
   * The worker that has it. A claim does not wait for the disk: a crash of the server may give its epoch to
   * another worker too. Left out, the epoch alone counts.
   */
  readonly owner?: string | undefined
}

/** All or nothing: the events of one or several streams, the rows that follow from them, and the answer. */
export interface Unit<T> {
  readonly tenantId: string
  /** The first one is what the unit is about: its refusals are listed there. */
  readonly streams: readonly string[]
  readonly actor: Actor
  readonly correlation?: Correlation | null
  /** Every write of a turn: nothing is written once somebody else has claimed the agent. */
  readonly fence?: MailboxClaim & { readonly agentId: string }
  /** A turn to be queued: it is refused once so many wait in the agent's mailbox. */
  readonly room?: {
    readonly agentId: string
    readonly pendingMax: number
    readonly rejection: Rejection
  }
  /** A caller's id, with a fingerprint of what it asked: applied once, for ever. Otherwise one is minted. */
  readonly command?: { readonly id: string; readonly fingerprint: Buffer }
  /**
   * Pure. Called again on newer states whenever a stream moved before the commit.
   *
   * @param now the events' time, UTC ISO-8601 with milliseconds and Z.
   */
  decide(states: States, now: string): Decision<T>
}

export type Verdict<T> =
  | {
      readonly status: 'ok'
      readonly result: T
      /** True when this is the stored answer of an earlier attempt. */
      readonly replayed: boolean
      readonly events: readonly StreamEvent[]
    }
  | { readonly status: 'rejected'; readonly rejection: Rejection; readonly replayed: boolean }
  | { readonly status: 'fenced' }

/** An event with the stream it stands in. */
export type StreamEvent = Recorded<AnyEvent> & {
  readonly tenantId: string
  readonly streamId: string
}

/** A change of a read model, or of a mailbox, that an event causes. */
export type RowChange =
  | { [T in keyof Projected]: { readonly table: T; readonly put: Projected[T] } }[keyof Projected]
  | {
      [T in keyof Projected]: {
        readonly table: T
        readonly remove: Partial<Projected[T]> & { tenant_id: string }
      }
    }[keyof Projected]
  | { readonly mailbox: 'open' | 'ended' | 'requeued' | 'freed'; readonly agentId: string }
  /** `until` null: until it is freed. */
  | { readonly mailbox: 'parked'; readonly agentId: string; readonly until: string | null }
  | { readonly mailbox: 'queued'; readonly agentId: string; readonly runId: string }

/**
 * The rows that follow from one event: a pure function of the event and the state after it, so that a
 * commit and a rebuild write the same.
 */
export type Project = (event: StreamEvent, after: AnyState) => readonly RowChange[]
