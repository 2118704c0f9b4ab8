import { describe, expect, it } from '@jest/globals'
import { now, user } from '../../test/support/block-commands.js'
import { type AgentEvent, type AgentState, createAgent, initialAgent } from './agent.js'
import { deleteAgent } from './attachment.js'
import { draft } from './draft.js'
import type { Decided } from './event.js'
import { SCHEDULES_MAX, type ScheduleSettings, scheduleAgent, unscheduleAgent } from './schedule.js'

const by = { actor: user, now }
const blank = initialAgent('agent-1')
const said = { name: 'ada', system: 'be kind', model: 'openai/m' }
const born = given(blank, createAgent(blank, said, []))
const daily: ScheduleSettings = { name: null, cron: '0 9 * * *', tz: 'UTC', input: 'Report.' }
const scheduled: AgentEvent = {
  type: 'AgentScheduled',
  payload: { schedule_id: 'schedule-1', ...daily },
}
const unscheduled: AgentEvent = {
  type: 'AgentUnscheduled',
  payload: { schedule_id: 'schedule-1' },
}
const withOne = draft(born, [scheduled], by)

function given(state: AgentState, decided: Decided<AgentEvent[]>): AgentState {
  if (!decided.ok) throw new Error(decided.rejection.detail)
  return draft(state, decided.value, by)
}

const refused = (decided: Decided<unknown>) => (decided.ok ? null : decided.rejection.code)

describe('a schedule', () => {
  it('stands on its agent as it was made, until it is taken away', () => {
    expect(scheduleAgent(born, 'schedule-1', daily)).toEqual({ ok: true, value: [scheduled] })
    expect(withOne.schedules).toEqual([{ id: 'schedule-1', ...daily, createdAt: now }])
    expect(unscheduleAgent(withOne, 'schedule-1')).toEqual({ ok: true, value: [unscheduled] })
    expect(draft(withOne, [unscheduled], by).schedules).toEqual([])
  })

  it('ends with its agent, in the same commit', () => {
    const deleted = deleteAgent(withOne, [])
    const events = deleted.ok ? deleted.value.map(({ event }) => event) : []
    expect(events).toEqual([unscheduled, { type: 'AgentDeleted', payload: {} }])
  })

  it('is refused by an id that stands, on an agent that is not there, and beyond so many', () => {
    expect(refused(scheduleAgent(withOne, 'schedule-1', daily))).toBe('already_exists')
    expect(refused(scheduleAgent(blank, 'schedule-1', daily))).toBe('agent_not_found')
    expect(refused(unscheduleAgent(born, 'schedule-1'))).toBe('schedule_not_found')
    let full = born
    for (let i = 0; i < SCHEDULES_MAX; i++) full = given(full, scheduleAgent(full, `s-${i}`, daily))
    expect(refused(scheduleAgent(full, 'schedule-1', daily))).toBe('too_many_schedules')
  })
})
