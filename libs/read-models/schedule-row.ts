import type { RowChange, StreamEvent } from '#event-store/unit.js'

type Scheduling = Extract<StreamEvent, { type: 'AgentScheduled' | 'AgentUnscheduled' }>

/** A schedule stands as long as its row; it never changes. */
export function scheduleRow(event: Scheduling): RowChange[] {
  const key = { tenant_id: event.tenantId, schedule_id: event.payload.schedule_id }
  if (event.type === 'AgentUnscheduled') return [{ table: 'schedules', remove: key }]
  const { name, cron, tz, input } = event.payload
  const when = { cron, tz, created_at: event.recordedAt }
  return [{ table: 'schedules', put: { ...key, agent_id: event.streamId, name, input, ...when } }]
}
