import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { Redis } from 'ioredis'
import { WakeQueue } from '#adapters/wake-queue.js'
import { until } from './support/feed-load.js'
import { MortalRedis } from './support/mortal-redis.js'
import { ownRedis } from './support/product.js'
import { gate, openTurnStage, type TurnStage } from './support/turn-stage.js'

/** The sweeper looks every second for what has waited for half of one. */
const FOUND_WITHIN_MS = 3_000

const PREFIX = '{house}'

const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL
const QUEUES = [
  ['Postgres', undefined],
  ...(redisUrl ? [['Redis', redisUrl] as const] : []),
] as const

async function keysIn(url: string): Promise<string[]> {
  const client = new Redis(url)
  try {
    return await client.keys('*')
  } finally {
    client.disconnect()
  }
}

describe.each(QUEUES)('the doorbell, with the queue on %s', (queue, redis) => {
  let stage: TurnStage
  let doorbell: WakeQueue
  let before: ReadonlySet<string>

  beforeAll(async () => {
    // Other specs have left theirs there.
    if (redis) before = new Set(await keysIn(ownRedis(redis)))
    const env: Record<string, string> = redis ? { PALIMPSEST_QUEUE_PREFIX: PREFIX } : {}
    stage = await openTurnStage({ redisUrl: redis, env })
    const { redisUrl, queuePrefix, databaseUrl } = stage.product.config
    const connection = { redisUrl, queuePrefix, databaseUrl: databaseUrl as string }
    doorbell = new WakeQueue(connection, (error) => stage.product.logged.push(String(error)))
  })

  afterAll(async () => {
    await doorbell.close()
    await stage.close()
  })

  beforeEach(() => stage.model.reset())

  const completedOnce = async (runId: string): Promise<void> => {
    const events = await stage.events(runId)
    expect(events.filter((event) => event.type === 'TurnStarted')).toHaveLength(1)
    expect(events.filter((event) => event.type === 'TurnCompleted')).toHaveLength(1)
  }

  it('may never ring: the sweeper finds the turn', async () => {
    const agent = await stage.agent()
    stage.model.script([{ text: 'done' }])
    const queued = performance.now()
    const runId = await stage.queueSilently(agent, 'go')
    await stage.ended(runId)
    expect(performance.now() - queued).toBeLessThan(FOUND_WITHIN_MS)
    await completedOnce(runId)
  })

  it('may ring many times, late and out of order: the turn runs once', async () => {
    const agent = await stage.agent()
    const rung = gate()
    stage.model.script([{ text: 'done', holdUntil: rung.opened }])
    const runId = await stage.queueSilently(agent, 'go')
    const rings = Array.from({ length: 30 }, (_, i) =>
      i % 3 === 0
        ? doorbell.ringTogether(
            [{ tenantId: 'default', agentId: agent, epoch: 30 - i, second: i }],
            1,
          )
        : doorbell.ring('default', agent),
    )
    await Promise.all(rings)
    await stage.model.requestsArrived(1)
    await doorbell.ring('default', agent)
    rung.open()
    await stage.ended(runId)
    await doorbell.ringTogether([{ tenantId: 'default', agentId: agent, epoch: 1, second: 1 }], 1)
    stage.model.script([{ text: 'again' }])
    expect((await stage.send(agent, 'again')).status).toBe(200)
    await completedOnce(runId)
    stage.model.assertConsumed()
  })

  it('may ring for nobody', async () => {
    await doorbell.ring('default', 'agent-00000000-0000-4000-8000-000000000000')
    const agent = await stage.agent()
    await doorbell.ring('default', agent)
    stage.model.script([{ text: 'done' }])
    expect((await stage.send(agent, 'go')).status).toBe(200)
    expect(stage.product.logged).toEqual([])
  })

  if (redis) {
    it('keeps to the prefix of its queues', async () => {
      const keys = await keysIn(stage.product.config.redisUrl as string)
      expect(keys.filter((key) => key.startsWith(`${PREFIX}:`))).not.toEqual([])
      expect(keys.filter((key) => !key.startsWith(`${PREFIX}:`) && !before.has(key))).toEqual([])
    })
  }

  it('may be wiped with its whole queue while turns run and wait: none is lost or run twice', async () => {
    const agents = await Promise.all(Array.from({ length: 4 }, () => stage.agent()))
    const wiped = gate()
    stage.model.routeBy(() => ({ text: 'done', holdUntil: wiped.opened }))
    const running = await Promise.all(agents.map((agent) => stage.sendAsync(agent, 'one')))
    await stage.model.requestsArrived(agents.length)
    const waiting = await Promise.all(agents.map((agent) => stage.sendAsync(agent, 'two')))
    await wipe()
    wiped.open()
    await stage.ended(...running, ...waiting)
    for (const runId of [...running, ...waiting]) await completedOnce(runId)
    expect(stage.model.requests).toHaveLength(8)
  })

  it('is not needed to find an agent that a worker took and lost track of', async () => {
    const agent = await stage.agent()
    const { rows } = await stage.sql.query('select worker_id from workers')
    expect(rows).toHaveLength(1)
    await stage.sql.query('update mailboxes set owner = $1 where agent_id = $2', [
      rows[0].worker_id,
      agent,
    ])
    stage.model.script([{ text: 'done' }])
    const runId = await stage.queueSilently(agent, 'go')
    await stage.ended(runId)
    await completedOnce(runId)
  })

  /** FLUSHALL as far as this product goes: other specs share the server. */
  async function wipe(): Promise<void> {
    if (queue === 'Redis') {
      const client = new Redis(stage.product.config.redisUrl as string)
      await client.flushdb()
      client.disconnect()
      return
    }
    await stage.sql.query('delete from bullmq.job')
  }
})

if (redisUrl) {
  describe('Redis that is away', () => {
    it('keeps no turn from beginning and ending while there are places', async () => {
      const mortal = await MortalRedis.start()
      const stage = await openTurnStage({ redisUrl: mortal.url })
      try {
        const agent = await stage.agent()
        stage.model.script([{ text: 'done' }])
        const clients = await mortal.clients()
        await mortal.kill()
        await stage.ended(await stage.sendAsync(agent, 'go'))
        await mortal.restart()
        // A service that is closed while it looks for its queue leaves a connection that looks on.
        await until(async () => (await mortal.clients()) >= clients)
      } finally {
        await stage.close()
        await mortal.close()
      }
    })
  })
}
