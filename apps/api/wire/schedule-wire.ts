import { z } from 'zod'
import { cronFault, isTimeZone, nextDue } from '#adapters/cron.js'
import type { ScheduleSettings } from '#domain/schedule.js'
import { withinLength } from '#producer/message.js'
import type { ScheduleView } from '#read-models/schedules.js'
import { absentOr, customIssue, text } from '../http/validation.js'
import { wireTime } from './time-wire.js'

const NAME_LENGTH_MAX = 100
const CRON_LENGTH_MAX = 200

const cron = text()
  .max(CRON_LENGTH_MAX)
  .superRefine((value, context) => {
    const fault = value.length > CRON_LENGTH_MAX ? null : cronFault(value, new Date())
    if (fault) context.addIssue(customIssue('invalid_argument', fault))
  })

const tz = text().superRefine((value, context) => {
  if (isTimeZone(value)) return
  context.addIssue(customIssue('invalid_argument', 'expected the IANA name of a time zone'))
})

export const newSchedule = z.strictObject({
  name: absentOr(text().max(NAME_LENGTH_MAX)),
  cron,
  tz: absentOr(tz),
  input: text().min(1).superRefine(withinLength),
})

export function scheduleSettings(body: z.output<typeof newSchedule>): ScheduleSettings {
  return { name: body.name ?? null, cron: body.cron, tz: body.tz ?? 'UTC', input: body.input }
}

export function renderSchedule(schedule: ScheduleView, now: Date) {
  return {
    object: 'schedule',
    id: schedule.id,
    agent_id: schedule.agentId,
    name: schedule.name,
    cron: schedule.cron,
    tz: schedule.tz,
    input: schedule.input,
    next_at: wireTime(nextDue(schedule.cron, schedule.tz, now)),
    created_at: wireTime(schedule.createdAt),
  }
}
