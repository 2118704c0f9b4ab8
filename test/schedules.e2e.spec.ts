import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { until } from './support/feed-load.js'
import { JobQueues } from './support/job-queue.js'
import { makeAgent } from './support/rest.js'
import { openTurnStage, type TurnStage } from './support/turn-stage.js'

const redisUrl = process.env['PALIMPSEST_TEST_REDIS_URL']
const BACKENDS = [
  ['Postgres', undefined],
  ...(redisUrl ? [['Redis', redisUrl] as const] : []),
] as const
const EVERY_SECOND = { cron: '* * * * * *', input: 'tick' }

interface WireSchedule {
  readonly id: string
  readonly next_at: string
}

describe.each(BACKENDS)('a schedule, on %s', (_backend, redis) => {
  let stage: TurnStage
  let jobs: JobQueues

  beforeAll(async () => {
    stage = await openTurnStage({ redisUrl: redis, workers: 2 })
    jobs = new JobQueues(stage.product.config)
  })

  afterAll(async () => {
    await jobs.close()
    await stage.close()
    expect(stage.product.logged).toEqual([])
  })

  const create = async (agentId: string, body: object = EVERY_SECOND) =>
    (await stage.rest<WireSchedule>('POST', `/v1/agents/${agentId}/schedules`, body)).body

  /** The times of an agent's turns, as they were queued. */
  async function times(agentId: string): Promise<string[]> {
    const { rows } = await stage.sql.query(
      `select e.payload->>'due_at' as due from events e join turns t on t.run_id = e.stream_id
        where t.agent_id = $1 and e.type = 'TurnQueued' and t.source = 'schedule' order by t.seq`,
      [agentId],
    )
    return rows.map(({ due }) => due)
  }

  it('queues one turn for each of its times, with two workers, and none once it is deleted', async () => {
    const agentId = await stage.agent()
    const { id } = await create(agentId)
    await until(async () => (await times(agentId)).length >= 3)
    const { rows } = await stage.sql.query(
      `select run_id from turns where agent_id = $1 order by seq limit 2`,
      [agentId],
    )
    await stage.ended(...rows.map((row) => row.run_id))
    const { status } = await stage.rest('DELETE', `/v1/agents/${agentId}/schedules/${id}`)
    expect(status).toBe(200)
    const deleted = new Date()
    const due = await times(agentId)
    const seconds = due.map((time) => Date.parse(time) / 1_000)
    expect(seconds.every(Number.isInteger)).toBe(true)
    expect(seconds).toEqual([...new Set(seconds)].sort((a, b) => a - b))
    const other = await stage.agent()
    await create(other)
    await until(async () =>
      (await times(other)).some((time) => Date.parse(time) > deleted.getTime() + 1_000),
    )
    expect(await times(agentId)).toEqual(due)
    await stage.rest('DELETE', `/v1/agents/${other}`)
    const queue = jobs.queue('palimpsest-schedules')
    await until(async () => (await queue.getJobSchedulersCount()) === 0)
  })

  it('goes on after its queue was wiped, and makes up for the last time that was missed', async () => {
    const agentId = await stage.agent()
    const { id } = await create(agentId)
    const queue = jobs.queue('palimpsest-schedules')
    await until(async () => (await times(agentId)).length >= 1)
    await queue.obliterate({ force: true })
    await queue.removeJobScheduler(id)
    const before = (await times(agentId)).length
    await until(async () => (await times(agentId)).length >= before + 2)
    const due = await times(agentId)
    expect(new Set(due).size).toBe(due.length)
    await stage.rest('DELETE', `/v1/agents/${agentId}/schedules/${id}`)
  })
})

describe('a schedule over REST', () => {
  let stage: TurnStage
  let agentId: string
  beforeAll(async () => {
    stage = await openTurnStage({ workers: 0 })
    agentId = (await makeAgent(stage.rest)).id
  })
  afterAll(() => stage.close())

  const path = (): string => `/v1/agents/${agentId}/schedules`

  it('is read as it was made, and is gone once deleted', async () => {
    const asked = { name: 'report', cron: '0 9 * * 1-5', tz: 'Europe/Berlin', input: 'Report.' }
    const tried = await stage.rest('POST', `${path()}?dry_run=true`, asked)
    expect(tried.body).toMatchObject({ dry_run: true })
    const key = { 'idempotency-key': 'one' }
    const made = await stage.rest<WireSchedule>('POST', path(), asked, key)
    expect(made.body).toMatchObject({ ...asked, object: 'schedule', agent_id: agentId })
    expect((await stage.rest<WireSchedule>('POST', path(), asked, key)).body.id).toBe(made.body.id)
    expect((await stage.rest('GET', path())).body).toEqual([made.body])
    const own = `${path()}/${made.body.id}`
    expect((await stage.rest('GET', own)).body).toEqual(made.body)
    expect((await stage.rest('DELETE', own)).body).toMatchObject({ deleted: true })
    for (const method of ['GET', 'DELETE']) {
      const gone = await stage.rest(method, own)
      expect(gone).toMatchObject({ status: 404, body: { code: 'schedule_not_found' } })
    }
  })

  it.each([
    ['/cron', { cron: '99 * * * *' }],
    ['/cron', { cron: '* * * *' }],
    ['/cron', { cron: '@daily' }],
    ['/cron', { cron: 'H * * * *' }],
    ['/cron', { cron: '0 0 31 2,4 *' }],
    ['/tz', { tz: 'Mars/Olympus' }],
    ['/tz', { tz: '+03:00' }],
    ['/input', { input: '' }],
    ['/name', { name: 'x'.repeat(101) }],
  ])('refuses %s of %j', async (pointer, wrong) => {
    const { status, body } = await stage.rest('POST', path(), { ...EVERY_SECOND, ...wrong })
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'invalid_argument' })
    expect(body.errors).toMatchObject([{ pointer, code: 'invalid_argument' }])
  })

  it('refuses one more than an agent may have', async () => {
    const other = await makeAgent(stage.rest)
    const send = () => stage.rest('POST', `/v1/agents/${other.id}/schedules`, EVERY_SECOND)
    for (let i = 0; i < 20; i++) expect((await send()).status).toBe(200)
    const { status, body } = await send()
    expect({ status, code: body.code }).toEqual({ status: 409, code: 'too_many_schedules' })
  })

  it('refuses a text that is longer than a message may be', async () => {
    const input = 'x'.repeat(100_001)
    const { status, body } = await stage.rest('POST', path(), { ...EVERY_SECOND, input })
    expect(status).toBe(422)
    expect(body.errors).toMatchObject([{ pointer: '/input', code: 'message_too_long' }])
  })
})
