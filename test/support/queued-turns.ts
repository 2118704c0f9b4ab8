import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as moment } from 'node:timers/promises'
import pg from 'pg'
import { until } from './feed-load.js'
import { JobQueues } from './job-queue.js'
import { type Product, startProduct } from './product.js'
import { makeAgent, restOf } from './rest.js'
import { pick, type Seeded } from './seeded.js'

const JOBS_PER_AGENT = 20
/** Share of the jobs that are sent twice. */
const REPEATED = 1 / 3
const LOOK_MS = 250

export interface QueuedRound {
  readonly random: Seeded
  readonly jobs: number
  readonly redisUrl?: string | undefined
  /** How often one of the two workers is killed meanwhile. */
  readonly kills: number
}

/** What a round came to. */
export interface QueuedReport {
  readonly sent: number
  readonly turns: number
  readonly completed: number
  /** Agents whose turns were not queued, or not run, in the order of their jobs. */
  readonly disordered: number
  readonly seconds: number
}

interface Sent {
  readonly id: string
  readonly data: { readonly agent_id: string; readonly input: string }
}

/** Another process queues turns, two workers take them in and run them, and one of them is killed. */
export async function queueTurns(round: QueuedRound): Promise<QueuedReport> {
  const { random, redisUrl, kills } = round
  const product = await startProduct({ workers: 0, redisUrl })
  const db = new pg.Client({ connectionString: product.databaseUrl })
  await db.connect()
  const children: ChildProcess[] = []
  const open = async (file: string, env = {}): Promise<ChildProcess> => {
    const child = fork(join('test', 'support', file), { env: { ...environment(product), ...env } })
    children.push(child)
    return child
  }
  const work = async (): Promise<ChildProcess> => {
    const child = await open('turn-worker.mjs')
    await once(child, 'message')
    return child
  }
  try {
    const jobs = await drawJobs(round, product)
    const again = jobs.filter(() => random() < REPEATED).map(({ id }) => id)
    const workers = [await work(), await work()]
    const producer = await open('turn-producer.mjs')
    const began = performance.now()
    producer.send({ jobs, again })
    const added = once(producer, 'message')
    for (let kill = 0; kill < kills; kill++) {
      await over(db, Math.floor((jobs.length * (kill + 1)) / (kills + 2)))
      await moment(random() * LOOK_MS)
      const victim = pick(random, workers.length)
      workers[victim]?.kill('SIGKILL')
      workers[victim] = await work()
    }
    await added
    await over(db, jobs.length)
    const seconds = (performance.now() - began) / 1_000
    // By now BullMQ has forgotten them.
    producer.send({ jobs: jobs.filter(({ id }) => again.includes(id)), again: [] })
    await once(producer, 'message')
    await drained(product)
    return { sent: jobs.length + 2 * again.length, ...(await report(db, jobs)), seconds }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await db.end()
    await product.close()
  }
}

/** A job sent again under its id after the queue has forgotten it, to a worker that keeps no books. */
export async function doneByIdAlone(
  redisUrl: string | undefined,
): Promise<{ readonly sent: number; readonly done: number }> {
  const product = await startProduct({ workers: 0, redisUrl })
  const jobs = new JobQueues(product.config)
  const queue = jobs.queue('naive')
  let done = 0
  jobs.worker('naive', async () => void done++)
  for (const sent of [1, 2]) {
    await queue.add('job', {}, { jobId: 'once', removeOnComplete: true })
    await until(async () => done === sent && !(await queue.getJob('once')))
  }
  await jobs.close()
  await product.close()
  return { sent: 2, done }
}

/** A job for every turn; those of one agent are numbered. */
async function drawJobs({ random, jobs }: QueuedRound, product: Product): Promise<Sent[]> {
  const rest = restOf(product.port)
  const count = Math.max(4, Math.ceil(jobs / JOBS_PER_AGENT))
  const agents: { id: string; sent: number }[] = []
  for (let i = 0; i < count; i++) agents.push({ ...(await makeAgent(rest)), sent: 0 })
  return Array.from({ length: jobs }, () => {
    const agent = agents[pick(random, count)] as { id: string; sent: number }
    const input = `say ${agent.sent++}`
    return { id: `run-${uuid(random)}`, data: { agent_id: agent.id, input } }
  })
}

function uuid(random: Seeded): string {
  const hex = Array.from({ length: 32 }, () => pick(random, 16).toString(16)).join('')
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5').slice(0, 36)
}

async function over(db: pg.Client, count: number): Promise<void> {
  await until(async () => {
    const { rows } = await db.query(
      'select count(*)::int as n from turns where done_at is not null',
    )
    if (rows[0].n >= count) return true
    await moment(LOOK_MS)
    return false
  })
}

/** Nothing waits, sleeps or runs in the queue any more. */
async function drained(product: Product): Promise<void> {
  const jobs = new JobQueues(product.config)
  const queue = jobs.queue('palimpsest-turns')
  await until(async () => {
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized')
    if (Object.values(counts).every((n) => n === 0)) return true
    await moment(LOOK_MS)
    return false
  })
  await jobs.close()
}

async function report(
  db: pg.Client,
  jobs: readonly Sent[],
): Promise<Omit<QueuedReport, 'sent' | 'seconds'>> {
  const { rows: turns } = await db.query('select agent_id, run_id, status from turns order by seq')
  const order = async (type: string): Promise<Map<string, string[]>> => {
    const { rows } = await db.query(
      `select t.agent_id, t.run_id from events e join turns t on t.run_id = e.stream_id
        where e.type = $1 order by e.position`,
      [type],
    )
    return byAgent(rows)
  }
  const wanted = byAgent(jobs.map(({ id, data }) => ({ agent_id: data.agent_id, run_id: id })))
  const queued = await order('TurnQueued')
  const ended = await order('TurnCompleted')
  const same = (a: string[] = [], b: string[] = []): boolean => a.join() === b.join()
  const disordered = [...wanted].filter(
    ([agent, runs]) => !same(runs, queued.get(agent)) || !same(runs, ended.get(agent)),
  ).length
  const completed = turns.filter(({ status }) => status === 'completed').length
  return { turns: turns.length, completed, disordered }
}

function byAgent(rows: readonly { agent_id: string; run_id: string }[]): Map<string, string[]> {
  const runs = new Map<string, string[]>()
  for (const { agent_id, run_id } of rows) {
    runs.set(agent_id, [...(runs.get(agent_id) ?? []), run_id])
  }
  return runs
}

function environment(product: Product): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DATABASE_URL: product.databaseUrl,
    PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
    PALIMPSEST_DATA_DIR: product.config.dataDir,
    PALIMPSEST_SIMULATED: 'always',
    // Empty counts as absent, whatever the environment of the test run says.
    REDIS_URL: product.config.redisUrl ?? '',
  }
}
