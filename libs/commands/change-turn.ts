import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import { missingAgent } from '#domain/agent.js'
import { type AnswersOfStep, answerCalls } from '#domain/call-answers.js'
import { type Rejection, rejection } from '#domain/errors.js'
import { accept, type Decided, reject } from '#domain/event.js'
import { missingSchedule } from '#domain/schedule.js'
import type { Append } from '#domain/streams.js'
import { approvalTools } from '#domain/tool-approval.js'
import { missingTrigger } from '#domain/trigger.js'
import { type TurnState, waitingCalls } from '#domain/turn.js'
import { recordSummary, requestCompaction, type SummaryPayload } from '#domain/turn-compaction.js'
import type { TurnEvent } from '#domain/turn-events.js'
import {
  type CompactionPayload,
  cancelTurn,
  expireTurn,
  failTurn,
  isOver,
  parkTurn,
  type QueuedPayload,
  queueTurn,
  type RequestedPayload,
  recordReply,
  requestCancel,
  requeueTurn,
  scheduleRetry,
  startTurn,
} from '#domain/turn-steps.js'
import type { MailboxClaim, States, Unit, Verdict } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import type { CommandMetadata } from './metadata.js'

/**
 * Turns of one agent that may wait, the running one included. What comes as a job is not bounded: refused, it
 * would be overtaken by the jobs behind it.
 */
export const PENDING_MAX = 100

export type TurnChange =
  | {
      readonly type: 'QueueTurn'
      readonly payload: QueuedPayload
      /** The running turn that this one's policy takes the place of. */
      readonly interrupts?: string
      /** The turn in front of it, where that waits for an answer: this one is refused while it does. */
      readonly behind?: PendingApproval
    }
  | {
      readonly type: 'StartTurn'
      readonly workerId: string
      readonly first: RequestedPayload | null
      /** Asked before it, to make room. */
      readonly compaction?: CompactionPayload
    }
  | { readonly type: 'RecordReply'; readonly payload: Parameters<typeof recordReply>[1] }
  | {
      readonly type: 'ScheduleRetry'
      readonly payload: Parameters<typeof scheduleRetry>[1]
      readonly parks: boolean
    }
  | { readonly type: 'RequestCompaction'; readonly payload: CompactionPayload }
  | { readonly type: 'RecordSummary'; readonly payload: SummaryPayload }
  | { readonly type: 'ParkTurn'; readonly parked: Parameters<typeof parkTurn>[1] }
  | { readonly type: 'FailTurn'; readonly failure: Parameters<typeof failTurn>[1] }
  | { readonly type: 'RequestCancel' }
  | { readonly type: 'CancelTurn' }
  | { readonly type: 'ExpireTurn' }
  | { readonly type: 'AnswerCalls'; readonly answers: AnswersOfStep }
  | { readonly type: 'RequeueTurn' }

/** Calls of a run that wait for an answer, and the message that asks for it. */
export interface PendingApproval {
  readonly runId: string
  readonly requestId: string
}

export interface TurnChanged {
  readonly run_id: string
  readonly agent_id: string
  readonly version: number
}

/**
 * One commit of a turn. What a worker does names its claim of the agent: who has lost it writes
 * nothing and is told `fenced`. Queuing, answering calls, asking to cancel, expiring and requeuing are anybody's.
 */
export class ChangeTurn extends Command<Verdict<TurnChanged>> {
  constructor(
    readonly runId: string,
    readonly agentId: string,
    readonly change: TurnChange,
    readonly by: CommandMetadata & Partial<MailboxClaim>,
  ) {
    super()
  }
}

@CommandHandler(ChangeTurn)
export class ChangeTurnHandler implements ICommandHandler<ChangeTurn> {
  constructor(private readonly writer: Writer) {}

  execute(command: ChangeTurn): Promise<Verdict<TurnChanged>> {
    const { runId, agentId, by } = command
    const { streams, room, decide } = unitOf(command)
    return this.writer.submit<TurnChanged>({
      tenantId: by.tenantId,
      streams,
      actor: by.actor,
      correlation: by.correlation ?? null,
      ...(by.epoch === undefined ? {} : { fence: { agentId, epoch: by.epoch, owner: by.owner } }),
      ...(room ? { room } : {}),
      ...(by.command ? { command: by.command } : {}),
      decide: (states, now) => {
        const decided = decide(states, now)
        if (!decided.ok) return { rejection: decided.rejection }
        const appends = decided.value
        const added = appends.filter(({ streamId }) => streamId === runId).length
        const version = states.turn(runId).version + added
        return { appends, result: { run_id: runId, agent_id: agentId, version } }
      },
    })
  }
}

interface TurnUnit {
  readonly streams: readonly string[]
  readonly room?: Unit<TurnChanged>['room'] & object
  decide(states: States, now: string): Decided<Append[]>
}

function unitOf({ runId, agentId, change, by }: ChangeTurn): TurnUnit {
  switch (change.type) {
    case 'QueueTurn':
      return queuing(runId, agentId, change, by)
    case 'RecordReply':
      return replying(runId, agentId, change.payload)
    default:
      return {
        streams: [runId],
        decide: (states, now) => appended(runId, step(states.turn(runId), change, by, now)),
      }
  }
}

type Reply = Extract<TurnChange, { type: 'RecordReply' }>['payload']

/** The agent is asked in the commit itself: a rule that was set before holds for all calls of the answer. */
function replying(runId: string, agentId: string, payload: Reply): TurnUnit {
  const calls = payload.response.tool_calls.length > 0
  return {
    streams: calls ? [runId, agentId] : [runId],
    decide(states) {
      const approval = calls ? approvalTools(states.agent(agentId)) : NOTHING
      return appended(runId, accept(recordReply(states.turn(runId), payload, approval)))
    },
  }
}

const NOTHING: ReadonlySet<unknown> = new Set()

type Step = Exclude<TurnChange, { type: 'QueueTurn' | 'RecordReply' }>

/** A message for an agent that is busy waits, is refused, or takes the running turn's place. */
function queuing(
  runId: string,
  agentId: string,
  { payload, interrupts, behind }: Extract<TurnChange, { type: 'QueueTurn' }>,
  by: CommandMetadata,
): TurnUnit {
  const rejects = payload.policy === 'reject'
  const full = rejects
    ? rejection('agent_busy', `Agent ${agentId} is at another turn`, { agent_id: agentId })
    : rejection('mailbox_full', `${PENDING_MAX} turns of agent ${agentId} wait already`, {
        agent_id: agentId,
        pending_max: PENDING_MAX,
      })
  const room = { agentId, pendingMax: rejects ? 0 : PENDING_MAX - 1, rejection: full }
  return {
    streams: [runId, agentId, ...[interrupts ?? [], behind?.runId ?? []].flat()],
    ...(rejects || payload.source !== 'queue' ? { room } : {}),
    decide(states: States): Decided<Append[]> {
      const agent = states.agent(agentId)
      // In the commit itself: a trigger that is removed wakes nobody, what was unscheduled comes no more.
      const { trigger, schedule_id: schedule } = payload
      const refusal =
        missingAgent(agent) ??
        (trigger === undefined ? null : missingTrigger(agent, trigger.trigger_id)) ??
        (schedule === undefined ? null : missingSchedule(agent, schedule))
      if (refusal) return reject(refusal)
      const pending = behind && pendingApproval(states.turn(behind.runId), behind)
      if (pending) return reject(pending)
      const queued = appended(runId, queueTurn(states.turn(runId), payload))
      if (!queued.ok || !interrupts) return queued
      const asked = { by: by.actor, interrupted_by: runId }
      const ended = requestCancel(states.turn(interrupts), asked)
      return accept([...queued.value, ...ended.map((event) => ({ streamId: interrupts, event }))])
    },
  }
}

function pendingApproval(turn: TurnState, { runId, requestId }: PendingApproval): Rejection | null {
  if (isOver(turn) || waitingCalls(turn).length === 0) return null
  const detail = `Agent ${turn.agentId} waits for an answer to its tool calls before it takes messages`
  const facts = { agent_id: turn.agentId, run_id: runId, pending_request_id: requestId }
  return rejection('pending_approval', detail, facts)
}

function appended(streamId: string, decided: Decided<TurnEvent[]>): Decided<Append[]> {
  if (!decided.ok) return decided
  return accept(decided.value.map((event) => ({ streamId, event })))
}

function step(
  turn: TurnState,
  change: Step,
  by: CommandMetadata & Partial<MailboxClaim>,
  now: string,
): Decided<TurnEvent[]> {
  switch (change.type) {
    case 'StartTurn': {
      const claim = { workerId: change.workerId, epoch: by.epoch ?? 0 }
      return accept(startTurn(turn, claim, change.first, change.compaction))
    }
    case 'ScheduleRetry':
      return accept(scheduleRetry(turn, change.payload, change.parks))
    case 'RequestCompaction':
      return accept(requestCompaction(turn, change.payload))
    case 'RecordSummary':
      return accept(recordSummary(turn, change.payload))
    case 'ParkTurn':
      return accept(parkTurn(turn, change.parked))
    case 'FailTurn':
      return accept(failTurn(turn, change.failure))
    case 'RequestCancel':
      return accept(requestCancel(turn, { by: by.actor }))
    case 'CancelTurn':
      return accept(cancelTurn(turn))
    case 'ExpireTurn':
      return accept(expireTurn(turn, now, by.epoch !== undefined))
    case 'RequeueTurn':
      return requeueTurn(turn, by.actor)
    case 'AnswerCalls':
      return answerCalls(turn, change.answers, by.actor)
  }
}
