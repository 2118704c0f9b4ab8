import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import type { AgentState } from '#domain/agent.js'
import { missingAgent } from '#domain/agent.js'
import { accept, type Decided, reject } from '#domain/event.js'
import type { TurnState } from '#domain/turn.js'
import type { TurnEvent } from '#domain/turn-events.js'
import {
  failTurn,
  type QueuedPayload,
  queueTurn,
  type RequestedPayload,
  recordReply,
  scheduleRetry,
  startTurn,
} from '#domain/turn-steps.js'
import type { Verdict } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import type { CommandMetadata } from './metadata.js'

export type TurnChange =
  | { readonly type: 'QueueTurn'; readonly payload: QueuedPayload }
  | {
      readonly type: 'StartTurn'
      readonly workerId: string
      readonly first: RequestedPayload | null
    }
  | { readonly type: 'RecordReply'; readonly payload: Parameters<typeof recordReply>[1] }
  | { readonly type: 'ScheduleRetry'; readonly payload: Parameters<typeof scheduleRetry>[1] }
  | { readonly type: 'FailTurn'; readonly failure: Parameters<typeof failTurn>[1] }

export interface TurnChanged {
  readonly run_id: string
  readonly agent_id: string
  readonly version: number
}

/**
 * One commit of a turn. All but queuing name the epoch of the agent's claim: who has lost it writes
 * nothing and is told `fenced`.
 */
export class ChangeTurn extends Command<Verdict<TurnChanged>> {
  constructor(
    readonly runId: string,
    readonly agentId: string,
    readonly change: TurnChange,
    readonly by: CommandMetadata & { readonly epoch?: number },
  ) {
    super()
  }
}

@CommandHandler(ChangeTurn)
export class ChangeTurnHandler implements ICommandHandler<ChangeTurn> {
  constructor(private readonly writer: Writer) {}

  execute({ runId, agentId, change, by }: ChangeTurn): Promise<Verdict<TurnChanged>> {
    const queued = change.type === 'QueueTurn'
    return this.writer.submit<TurnChanged>({
      tenantId: by.tenantId,
      streams: queued ? [runId, agentId] : [runId],
      actor: by.actor,
      correlation: by.correlation ?? null,
      ...(by.epoch === undefined ? {} : { fence: { agentId, epoch: by.epoch } }),
      ...(by.command ? { command: by.command } : {}),
      decide: (states) => {
        const turn = states.turn(runId)
        const decided = queued
          ? queue(turn, states.agent(agentId), change.payload)
          : accept(step(turn, change, by.epoch ?? 0))
        if (!decided.ok) return { rejection: decided.rejection }
        const appends = decided.value.map((event) => ({ streamId: runId, event }))
        return {
          appends,
          result: { run_id: runId, agent_id: agentId, version: turn.version + appends.length },
        }
      },
    })
  }
}

function queue(turn: TurnState, agent: AgentState, payload: QueuedPayload): Decided<TurnEvent[]> {
  const refusal = missingAgent(agent)
  return refusal ? reject(refusal) : queueTurn(turn, payload)
}

function step(
  turn: TurnState,
  change: Exclude<TurnChange, { type: 'QueueTurn' }>,
  epoch: number,
): TurnEvent[] {
  switch (change.type) {
    case 'StartTurn':
      return startTurn(turn, { workerId: change.workerId, epoch }, change.first)
    case 'RecordReply':
      return recordReply(turn, change.payload)
    case 'ScheduleRetry':
      return scheduleRetry(turn, change.payload)
    case 'FailTurn':
      return failTurn(turn, change.failure)
  }
}
