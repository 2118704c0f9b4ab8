import { type AgentEvent, type AgentState, evolveAgent, initialAgent } from './agent.js'
import type { BlockEvent } from './block-events.js'
import {
  type BlockState,
  evolveBlock,
  evolveBlockAll,
  initialBlock,
  restoreBlock,
  storedBlock,
} from './block-state.js'
import { type Foldable, streamKind } from './event.js'
import { evolveTurn, initialTurn, type TurnState } from './turn.js'
import type { TurnEvent } from './turn-events.js'

/** Every kind of event there is, and what each kind of stream folds into. */
export type AnyEvent = BlockEvent | AgentEvent | TurnEvent
export type AnyState = BlockState | AgentState | TurnState

/** An event addressed to a stream, in the order it is to be appended. */
export interface Append<E extends AnyEvent = AnyEvent> {
  readonly streamId: string
  readonly event: E
  readonly baseVersion?: number | null
}

export function initialState(streamId: string): AnyState {
  switch (streamKind(streamId)) {
    case 'block':
      return initialBlock(streamId)
    case 'agent':
      return initialAgent(streamId)
    case 'turn':
      return initialTurn(streamId)
  }
}

export function evolve(state: AnyState, event: Foldable<AnyEvent>): AnyState {
  switch (streamKind(state.id)) {
    case 'block':
      return evolveBlock(state as BlockState, event as Foldable<BlockEvent>)
    case 'agent':
      return evolveAgent(state as AgentState, event as Foldable<AgentEvent>)
    case 'turn':
      return evolveTurn(state as TurnState, event as Foldable<TurnEvent>)
  }
}

/** The state after one event after another of the stream: long runs take a fraction of the time. */
export function evolveAll(state: AnyState, events: readonly Foldable<AnyEvent>[]): AnyState {
  switch (streamKind(state.id)) {
    case 'block':
      return evolveBlockAll(state as BlockState, events as readonly Foldable<BlockEvent>[])
    case 'agent':
      return (events as readonly Foldable<AgentEvent>[]).reduce(evolveAgent, state as AgentState)
    case 'turn':
      return (events as readonly Foldable<TurnEvent>[]).reduce(evolveTurn, state as TurnState)
  }
}

/** A state as a snapshot keeps it: without what it only remembers. */
export function storedState(state: AnyState): object {
  return streamKind(state.id) === 'block' ? storedBlock(state as BlockState) : state
}

/** A state again, from what a snapshot kept of it. */
export function restoreState(streamId: string, stored: object): AnyState {
  const state = { ...initialState(streamId), ...stored }
  return streamKind(streamId) === 'block' ? restoreBlock(state as BlockState) : state
}

const TYPES: Readonly<Record<AnyEvent['type'], true>> = {
  BlockCreated: true,
  TextInserted: true,
  TextReplaced: true,
  BlockRethought: true,
  EditReverted: true,
  BlockRestored: true,
  BlockConfigured: true,
  AgentAttached: true,
  RightChanged: true,
  AgentDetached: true,
  BlockDeleted: true,
  AgentCreated: true,
  AgentConfigured: true,
  BlockAttached: true,
  BlockRelabelled: true,
  BlockRightChanged: true,
  BlockDetached: true,
  ToolAttached: true,
  ToolDetached: true,
  MessagesReset: true,
  ToolApprovalChanged: true,
  TriggerSet: true,
  TriggerRemoved: true,
  AgentScheduled: true,
  AgentUnscheduled: true,
  AgentDeleted: true,
  TurnQueued: true,
  TurnStarted: true,
  ModelRequested: true,
  ModelResponded: true,
  ModelRetryScheduled: true,
  ToolCalled: true,
  ToolReturned: true,
  ApprovalRequested: true,
  ApprovalGiven: true,
  ApprovalDenied: true,
  ToolAnswered: true,
  CompactionRequested: true,
  ContextCompacted: true,
  TurnCompleted: true,
  TurnFailed: true,
  TurnParked: true,
  TurnResumed: true,
  TurnCancelRequested: true,
  TurnRequeued: true,
  TurnCancelled: true,
  TurnDeadLettered: true,
}

/** False for a type this version does not know: such an event must not reach a fold. */
export function isKnownType(type: string): type is AnyEvent['type'] {
  return Object.hasOwn(TYPES, type)
}
