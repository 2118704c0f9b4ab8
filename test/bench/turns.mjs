// What a turn costs besides the model: two model calls and one edit, with a model that answers at once. One
// at a time through HTTP; many that wait already, as a worker finds them; and BullMQ alone, for whom a job
// is nothing but itself. And how soon a model's call is broken off in the worker when the api is told to cancel.
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createPostgresBackend, Queue, Worker, withBackend } from 'bullmq'
import pg from 'pg'
import { RAW } from './rounds.mjs'

/** Turns that are waiting for a busy worker, and of how many agents. */
const BUSY = { agents: 400, turnsEach: 5 }
const QUICK = { agents: 100, turnsEach: 5 }
const IDLE_AGENTS = 50
const PLACES = 64
/** Turns cancelled one after another, and those before them that are not counted. */
const CANCELS = { counted: 500, before: 50 }
/** How often it is asked whether any turn waits still: seldom, or it takes from what is measured. */
const POLL_MS = 50
/** Commits of such a turn, each of which waits for a flush. */
const COMMITS = 5

export async function turns(bench) {
  const queues = ['Postgres', ...(process.env.REDIS_URL ? ['Redis'] : [])]
  for (const queue of queues) {
    const redisUrl = queue === 'Redis' ? process.env.REDIS_URL : ''
    const name = `a turn through HTTP, queue on ${queue}`
    await bench.compare({
      inFlight: 1,
      arms: { [name]: ({ url }) => idle(url, redisUrl) },
      more: (of) => ({ [name]: { overFlushesMs: of[name].p50 - COMMITS * of[RAW].p50 } }),
    })
    await bench.compare({
      inFlight: 1,
      arms: { [`cancel until broken off, queue on ${queue}`]: ({ url }) => cancels(url, redisUrl) },
    })
    const size = bench.quick ? QUICK : BUSY
    await bench.compare({
      inFlight: PLACES,
      arms: {
        [`turns that wait, queue on ${queue}`]: ({ url }) => busy(url, redisUrl, size),
        [`BullMQ alone, on ${queue}`]: ({ url }) => bullmq(url, redisUrl),
      },
    })
  }
}

/** One turn at a time, as a client that waits for its answer sees it. */
async function idle(url, redisUrl) {
  const services = await start(url, redisUrl)
  const agents = await makeAgents(services, IDLE_AGENTS)
  return {
    operation: (_, n) => say(services, agents[n % agents.length], 'messages'),
    close: services.close,
  }
}

/** Turns that are there already: from the first wake to the last end. */
async function busy(url, redisUrl, size) {
  const services = await start(url, redisUrl)
  const db = new pg.Pool({ connectionString: url, max: 1 })
  const round = async ({ agents: count, turnsEach }) => {
    const agents = await makeAgents(services, count)
    await db.query(
      `update mailboxes set not_before = now() + interval '1 hour' where agent_id = any($1)`,
      [agents],
    )
    for (let n = 0; n < turnsEach; n++) {
      await inParallel(agents, (agent) => say(services, agent, 'messages/async'))
    }
    const cpuBefore = await services.workerCpuMs()
    const begun = performance.now()
    // The sweeper rings for them all.
    await db.query('update mailboxes set not_before = null where agent_id = any($1)', [agents])
    for (;;) {
      const { rows } = await db.query(
        `select exists (select from mailboxes where pending > 0 and agent_id = any($1)) as waits`,
        [agents],
      )
      if (!rows[0].waits) break
      await pause(POLL_MS)
    }
    const ms = performance.now() - begun
    const done = count * turnsEach
    const cpuMs = ((await services.workerCpuMs()) - cpuBefore) / done
    return { perSecond: done / (ms / 1000), p50: Number.NaN, p99: Number.NaN, done, cpuMs }
  }
  return {
    async measure() {
      await round(QUICK)
      return round(size)
    },
    close: () => db.end().finally(services.close),
  }
}

/** From asking the api to cancel until the call of the model breaks off in the worker. */
async function cancels(url, redisUrl) {
  const services = await start(url, redisUrl)
  const [agent] = await makeAgents(services, 1)
  const cancel = async () => {
    const asked = services.told()
    const { id } = await post(services, `/agents/${agent}/messages/async`, { input: 'wait' })
    await asked
    const brokenOff = services.told()
    const begun = performance.now()
    const ended = post(services, `/runs/${id}/cancel`, {})
    await brokenOff
    const ms = performance.now() - begun
    const { status } = await ended
    if (status !== 'cancelled') throw new Error(`a cancelled run is ${status}`)
    return ms
  }
  return {
    async measure() {
      for (let n = 0; n < CANCELS.before; n++) await cancel()
      const took = []
      for (let n = 0; n < CANCELS.counted; n++) took.push(await cancel())
      took.sort((a, b) => a - b)
      const [p50, p99] = [0.5, 0.99].map((share) => took[Math.floor(took.length * share)])
      return { perSecond: Number.NaN, p50, p99, done: took.length }
    },
    close: services.close,
  }
}

/** A job that does nothing: from adding it to hearing that it is completed. */
async function bullmq(url, redisUrl) {
  const name = `bench-${randomUUID()}`
  const on = redisUrl ? { Queue, Worker } : withBackend(createPostgresBackend)
  const connection = redisUrl
    ? { url: redisUrl }
    : { connectionString: url, schema: 'bullmq', max: 8 }
  const queue = new on.Queue(name, { connection })
  const worker = new on.Worker(name, async () => {}, { connection, concurrency: PLACES })
  for (const part of [queue, worker]) part.on('error', () => {})
  const waiting = new Map()
  worker.on('completed', (job) => waiting.get(job.data.id)?.())
  await worker.waitUntilReady()
  return {
    async operation() {
      const id = randomUUID()
      const completed = new Promise((resolve) => waiting.set(id, resolve))
      await queue.add('nothing', { id }, { removeOnComplete: true })
      await completed
      waiting.delete(id)
    },
    async close() {
      await worker.close()
      await queue.close()
    },
  }
}

/** An api and a worker as processes of their own. */
async function start(url, redisUrl) {
  const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-bench-'))
  const env = {
    ...process.env,
    DATABASE_URL: url,
    REDIS_URL: redisUrl,
    PALIMPSEST_DATA_DIR: dataDir,
    PALIMPSEST_TURNS: String(PLACES),
    OPENAI_API_KEY: 'none',
    OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
    PORT: '0',
  }
  const api = fork(join('dist', 'apps', 'api', 'main.js'), { env })
  const worker = fork(new URL('turn-worker.mjs', import.meta.url), { env })
  const [[{ port }]] = await Promise.all([once(api, 'message'), once(worker, 'message')])
  return {
    url: `http://127.0.0.1:${port}/v1`,
    /** What the worker says next. */
    told: () => once(worker, 'message'),
    async workerCpuMs() {
      worker.send('cpu')
      const [{ cpuMs }] = await once(worker, 'message')
      return cpuMs
    },
    async close() {
      const ended = [api, worker].map((child) => once(child, 'exit'))
      for (const child of [api, worker]) child.disconnect()
      await Promise.all(ended)
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

async function makeAgents(services, count) {
  const ids = []
  await inParallel(Array.from({ length: count }), async () => {
    const block = await post(services, '/blocks/', { label: 'notes', value: 'notes' })
    const model = 'openai/gpt-4o-mini'
    const agent = { name: randomUUID(), model, block_ids: [block.id] }
    ids.push((await post(services, '/agents/', agent)).id)
  })
  return ids
}

function say(services, agentId, route) {
  return post(services, `/agents/${agentId}/${route}`, { input: 'note something' })
}

async function post(services, path, body) {
  const answer = await fetch(`${services.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(text)
  return JSON.parse(text)
}

/** Sixteen at a time. */
async function inParallel(all, operation) {
  const left = all.values()
  const one = async () => {
    for (const each of left) await operation(each)
  }
  await Promise.all(Array.from({ length: 16 }, one))
}
