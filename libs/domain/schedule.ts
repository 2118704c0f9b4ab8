import { type AgentEvent, type AgentState, missingAgent } from './agent.js'
import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, type Foldable, reject } from './event.js'

/** What an agent is sent, and when. */
export interface ScheduleSettings {
  readonly name: string | null
  /** A cron expression of five fields, or of six with the seconds in front. */
  readonly cron: string
  /** The IANA name of the time zone whose clock it is read by. */
  readonly tz: string
  /** The text of the message. */
  readonly input: string
}

export type ScheduleEvent =
  | {
      readonly type: 'AgentScheduled'
      readonly payload: ScheduleSettings & { readonly schedule_id: string }
    }
  | { readonly type: 'AgentUnscheduled'; readonly payload: { readonly schedule_id: string } }

/** A schedule that stands. */
export interface Schedule extends ScheduleSettings {
  readonly id: string
  readonly createdAt: string
}

/** Schedules of one agent. */
export const SCHEDULES_MAX = 20

/** @param settings whose cron and tz can be read; whether they can, the domain does not know. */
export function scheduleAgent(
  agent: AgentState,
  id: string,
  settings: ScheduleSettings,
): Decided<AgentEvent[]> {
  const refusal = missingAgent(agent)
  if (refusal) return reject(refusal)
  if (agent.schedules.some((schedule) => schedule.id === id)) {
    const facts = { agent_id: agent.id, schedule_id: id }
    return reject(rejection('already_exists', `Schedule ${id} already exists`, facts))
  }
  if (agent.schedules.length >= SCHEDULES_MAX) {
    const facts = { agent_id: agent.id, schedules_max: SCHEDULES_MAX }
    return reject(
      rejection('too_many_schedules', `An agent has at most ${SCHEDULES_MAX} schedules`, facts),
    )
  }
  return accept([{ type: 'AgentScheduled', payload: { schedule_id: id, ...settings } }])
}

export function unscheduleAgent(agent: AgentState, id: string): Decided<AgentEvent[]> {
  const refusal = missingAgent(agent) ?? missingSchedule(agent, id)
  return refusal ? reject(refusal) : accept([unscheduled(id)])
}

/** What ends with its agent. */
export function unscheduleAll(agent: AgentState): AgentEvent[] {
  return agent.schedules.map(({ id }) => unscheduled(id))
}

export function missingSchedule(agent: AgentState, id: string): Rejection | null {
  if (agent.schedules.some((schedule) => schedule.id === id)) return null
  const facts = { agent_id: agent.id, schedule_id: id }
  return rejection('schedule_not_found', `Agent ${agent.id} has no schedule ${id}`, facts)
}

export function evolveSchedules(
  before: readonly Schedule[],
  event: Foldable<ScheduleEvent>,
): readonly Schedule[] {
  const { schedule_id: id } = event.payload
  if (event.type === 'AgentUnscheduled') return before.filter((schedule) => schedule.id !== id)
  const { name, cron, tz, input } = event.payload
  return [...before, { id, name, cron, tz, input, createdAt: event.recordedAt }]
}

function unscheduled(schedule_id: string): AgentEvent {
  return { type: 'AgentUnscheduled', payload: { schedule_id } }
}
