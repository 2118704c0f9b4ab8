import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { until } from '../../test/support/feed-load.js'
import { openPostgresQueue, type PostgresQueue } from '../../test/support/postgres-queue.js'
import { ownRedis } from '../../test/support/product.js'
import { openQueue, openRedis, type QueueConnection } from './queue-connection.js'
import { WAKE_QUEUE, WakeQueue, WakeWorker } from './wake-queue.js'

const PLACES = 4
const STOP_MS = 10_000

const redisUrl = process.env.PALIMPSEST_TEST_REDIS_URL
const QUEUES = [['Postgres', null], ...(redisUrl ? [['Redis', redisUrl] as const] : [])] as const

const mailboxes = (count: number, name: string) =>
  Array.from({ length: count }, (_, n) => {
    return { tenantId: 'default', agentId: `${name}-${n}`, epoch: 1, second: 1 }
  })

function jobsOf(connection: QueueConnection, onError: (error: unknown) => void) {
  const client = connection.redisUrl ? openRedis(connection.redisUrl, 1, onError) : null
  const queue = openQueue(WAKE_QUEUE, connection, client, 1, onError)
  return {
    jobs: async (state: 'waiting' | 'active') => (await queue.getJobCounts(state))[state] ?? 0,
    async close() {
      await queue.close()
      client?.disconnect()
    },
  }
}

describe.each(QUEUES)('wakes that are taken up, with the queue on %s', (_, redis) => {
  let database: PostgresQueue
  let connection: QueueConnection
  let doorbell: WakeQueue
  let woken: string[]
  let most: Record<string, number>
  let release: () => void
  let crew: WakeWorker[] = []
  const errors: unknown[] = []
  const onError = (error: unknown): void => void errors.push(error)

  beforeAll(async () => {
    database = await openPostgresQueue()
    const queuePrefix = `wakes-${process.pid}`
    const url = redis ? ownRedis(redis) : null
    connection = { ...database.connection, redisUrl: url, queuePrefix }
    doorbell = new WakeQueue(connection, onError)
  })

  afterAll(async () => {
    await doorbell.close()
    await database.close()
  })

  afterEach(async () => {
    release()
    for (const worker of crew) await worker.stop(STOP_MS)
    for (const worker of crew) worker.close()
    crew = []
    expect(errors).toEqual([])
  })

  /** Wakes last until `release`, and are noted as they begin. */
  function workers(...names: string[]): WakeWorker[] {
    woken = []
    most = {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    crew = names.map((name) => {
      let running = 0
      const onWake = async ({ agent_id }: { agent_id: string }): Promise<void> => {
        running += 1
        most[name] = Math.max(most[name] ?? 0, running)
        woken.push(agent_id)
        await released
        running -= 1
      }
      return new WakeWorker({ connection, places: PLACES, onWake, doorbell, onError })
    })
    for (const worker of crew) worker.start()
    return crew
  }

  it('run here as far as the share goes and there are places, and elsewhere for the rest, each once', async () => {
    const [here] = workers('here', 'there') as [WakeWorker]
    const orphans = mailboxes(10, 'orphan')
    const done = here.takeUp(orphans, 3)
    expect(woken).toEqual(['orphan-0', 'orphan-1', 'orphan-2'])
    await done
    await until(() => woken.length >= 2 * PLACES)
    release()
    await until(() => woken.length === orphans.length)
    expect([...woken].sort()).toEqual(orphans.map(({ agentId }) => agentId))
    expect(most).toEqual({ here: PLACES, there: PLACES })
  })

  it('wait in the queue while nobody has a place, as one job', async () => {
    const [here] = workers('here') as [WakeWorker]
    await here.takeUp(mailboxes(PLACES + 3, 'late'), PLACES + 3)
    const { jobs, close } = jobsOf(connection, onError)
    await until(async () => (await jobs('waiting')) === 1 && (await jobs('active')) === 0)
    expect(woken).toHaveLength(PLACES)
    release()
    await until(() => woken.length === PLACES + 3)
    expect(new Set(woken).size).toBe(PLACES + 3)
    expect(most).toEqual({ here: PLACES })
    await close()
  })

  it('that are handed over run here as far as there are places, and elsewhere for the rest, each once', async () => {
    const [here] = workers('here', 'there') as [WakeWorker]
    await here.takeOver(mailboxes(PLACES + 2, 'given'))
    await until(() => woken.length === PLACES + 2)
    expect(new Set(woken).size).toBe(PLACES + 2)
    expect(most).toEqual({ here: PLACES, there: 2 })
  })

  it('are all rung for by a worker that stops', async () => {
    const [here] = workers('here', 'there') as [WakeWorker]
    await here.stop(STOP_MS)
    await here.takeUp(mailboxes(3, 'left'), 8)
    await until(() => woken.length === 3)
    expect(most).toEqual({ there: 3 })
  })

  it('are waited for by a worker that stops', async () => {
    const [here, there] = workers('here', 'there') as [WakeWorker, WakeWorker]
    await here.takeUp(mailboxes(1, 'last'), 1)
    let stopped = false
    const ended = here.stop(STOP_MS).then(() => {
      stopped = true
    })
    await there.stop(STOP_MS)
    expect(stopped).toBe(false)
    release()
    await ended
  })

  it('no longer swallow the rings that come behind a dead worker’s job; control: it does', async () => {
    const [here] = workers('here') as [WakeWorker]
    await doorbell.ring('default', 'agent')
    await until(() => woken.length === 1)
    const { jobs, close } = jobsOf(connection, onError)
    await doorbell.ring('default', 'agent')
    expect([await jobs('active'), woken.length]).toEqual([1, 1])
    await here.takeUp([{ tenantId: 'default', agentId: 'agent', epoch: 1, second: 1 }], 1)
    await doorbell.ring('default', 'agent')
    await until(async () => woken.length === 3 && (await jobs('active')) === 2)
    expect(woken).toEqual(['agent', 'agent', 'agent'])
    await close()
  })
})
