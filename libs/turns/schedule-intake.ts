import type { Door } from '#commands/metadata.js'
import type { QueuedPayload } from '#domain/turn-steps.js'
import type { Database } from '#postgres/database.js'
import { derivedId } from '#read-models/derived-id.js'
import {
  allSchedules,
  type ScheduleView,
  scheduleById,
  scheduleCount,
} from '#read-models/schedules.js'
import type { Doorbell } from './ports.js'
import { messageTurn, queueTurn } from './turn-intake.js'

export interface ScheduleIntakeOptions {
  readonly tenantId: string
  readonly execute: Door
  readonly doorbell: Doorbell
  readonly db: Database
  readonly onError: (error: unknown) => void
}

/** Queues the turns of schedules when their times come. */
export class ScheduleIntake {
  constructor(private readonly options: ScheduleIntakeOptions) {}

  all(): Promise<ScheduleView[]> {
    return allSchedules(this.options.db, this.options.tenantId)
  }

  find(scheduleId: string): Promise<ScheduleView | null> {
    return scheduleById(this.options.db, this.options.tenantId, scheduleId)
  }

  count(): Promise<number> {
    return scheduleCount(this.options.db, this.options.tenantId)
  }

  /**
   * Queues the turn of one time of a schedule: the same time is one run for ever, whoever calls and how
   * often. A schedule that is gone queues none, and neither does one whose agent has too many waiting.
   *
   * @throws what only the database is to blame for: to be tried again.
   */
  async fire(scheduleId: string, due: Date): Promise<void> {
    const { tenantId, onError } = this.options
    const schedule = await this.find(scheduleId)
    if (!schedule) return
    const dueAt = due.toISOString()
    const queued = await queueTurn(this.options, {
      runId: scheduledRunId(tenantId, scheduleId, dueAt),
      payload: payloadOf(schedule, dueAt),
      by: { tenantId, actor: { kind: 'system', id: scheduleId } },
    })
    if (queued.ok || WAS_DONE.includes(queued.rejection.code)) return
    onError(new Error(`${scheduleId} is left out at ${dueAt}: ${queued.rejection.detail}`))
  }
}

/** The turn is there already, or the schedule went meanwhile. */
const WAS_DONE: readonly string[] = ['already_exists', 'schedule_not_found', 'gone']

/** @param dueAt UTC ISO-8601 with milliseconds and Z */
export function scheduledRunId(tenantId: string, scheduleId: string, dueAt: string): string {
  return derivedId('run', tenantId, scheduleId, dueAt)
}

function payloadOf({ id, agentId, input }: ScheduleView, due_at: string): QueuedPayload {
  return { ...messageTurn(agentId, input, 'schedule'), schedule_id: id, due_at }
}
