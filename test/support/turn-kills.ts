import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import pg from 'pg'
import { startSimulatedModel } from '#adapters/simulated-model.js'
import { startSimulatedSearch } from '#adapters/simulated-search.js'
import { newClient } from './clients.js'
import { startProduct } from './product.js'

/** Commits of the tutorial's turn on a worker: started, asked, searched, asked, inserted, asked. */
export const COMMITS_OF_A_TURN = 6

/** What became of a turn whose worker was killed. */
export interface KillReport {
  readonly killedAfter: number
  readonly status: string
  readonly starts: number
  readonly terminalEvents: number
  readonly insertions: number
  /** Model steps recorded, and calls the provider really got. */
  readonly recorded: number
  readonly asked: number
  readonly value: string
}

export interface KillOptions {
  readonly redisUrl?: string | undefined
  /** Between the two workers, as the owner of the database. */
  readonly meanwhile?: (db: pg.Client) => Promise<void>
}

/**
 * Runs one tutorial turn whose worker is killed with SIGKILL right after its n-th commit; another
 * worker then finishes it.
 */
export async function killAfterCommit(n: number, options: KillOptions = {}): Promise<KillReport> {
  const { redisUrl } = options
  const model = await startSimulatedModel()
  const counter = await countingProxy(model.url)
  const search = await startSimulatedSearch()
  const providers = {
    OPENAI_BASE_URL: counter.url,
    OPENAI_API_KEY: 'none',
    EXA_BASE_URL: search.url,
    EXA_API_KEY: 'none',
    PALIMPSEST_SIMULATED: 'never',
  }
  const product = await startProduct({ workers: 0, redisUrl, env: providers })
  const db = new pg.Client({ connectionString: product.databaseUrl })
  await db.connect()
  const env = {
    ...providers,
    DATABASE_URL: product.databaseUrl,
    PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
    PALIMPSEST_DATA_DIR: product.config.dataDir,
    // Empty counts as absent, whatever the environment of the test run says.
    REDIS_URL: product.config.redisUrl ?? '',
  }
  const survivors: ChildProcess[] = []
  try {
    const client = newClient(product.url)
    const block = await client.createBlock({ label: 'organization', value: 'Organization: Letta' })
    const agent = await client.createAgent({
      name: 'agent1',
      blockIds: [block.id],
      tools: ['web_search'],
    })
    const victim = await startWorker({ ...env, KILL_AFTER: String(n) })
    const died = once(victim.child, 'exit')
    const answer = client.send(
      agent.id,
      'Find information about the origin of Letta.\nInsert what you learn into the memory block, prepended with "Agent1: ".',
    )
    const [, signal] = await died
    if (signal !== 'SIGKILL') throw new Error(`the worker ended by ${signal}, not by its own kill`)
    // Its lease would run out within 10 s; here it does at once.
    await db.query('update workers set lease_until = clock_timestamp() where worker_id = $1', [
      victim.workerId,
    ])
    await options.meanwhile?.(db)
    survivors.push((await startWorker(env)).child)
    await answer
    return await report(db, n, counter.asked(), block.id)
  } finally {
    for (const child of survivors) child.kill('SIGKILL')
    await db.end()
    await product.close()
    await counter.close()
    await search.close()
    await model.close()
  }
}

async function startWorker(
  env: Record<string, string>,
): Promise<{ child: ChildProcess; workerId: string }> {
  const child = fork(join('test', 'support', 'turn-worker.mjs'), {
    env: { ...process.env, ...env },
  })
  const [message] = (await once(child, 'message')) as [{ workerId: string }]
  return { child, workerId: message.workerId }
}

/**
 * Cuts the journal of the only turn back to its first request, as if nothing after it had been
 * recorded: what a runtime without a journal would have after the kill.
 */
export async function loseJournal(db: pg.Client): Promise<void> {
  await db.query('alter table events disable trigger user')
  await db.query(`delete from events where stream_id like 'run-%' and version > 3`)
  await db.query(`delete from command_results where stream_id like 'run-%'`)
  await db.query(`delete from snapshots where stream_id like 'run-%'`)
  await db.query(`update streams s set version = 3, hash = e.hash from events e
                   where e.stream_id = s.stream_id and e.version = 3 and s.kind = 'turn'`)
}

async function report(
  db: pg.Client,
  n: number,
  asked: number,
  blockId: string,
): Promise<KillReport> {
  const { rows: turns } = await db.query('select run_id, status from turns')
  const { rows: events } = await db.query('select type from events where stream_id = $1', [
    turns[0].run_id,
  ])
  const { rows: inserted } = await db.query(
    `select 1 from events where stream_id = $1 and type = 'TextInserted'`,
    [blockId],
  )
  const { rows: heads } = await db.query('select value from streams where stream_id = $1', [
    blockId,
  ])
  const count = (type: RegExp): number => events.filter((event) => type.test(event.type)).length
  return {
    killedAfter: n,
    status: turns[0].status,
    starts: count(/^TurnStarted$/),
    terminalEvents: count(/^Turn(Completed|Failed|DeadLettered|Cancelled)$/),
    insertions: inserted.length,
    recorded: count(/^ModelResponded$/),
    asked,
    value: heads[0].value,
  }
}

/** Stands before the model and counts what it is asked. */
async function countingProxy(
  target: string,
): Promise<{ url: string; asked(): number; close(): Promise<void> }> {
  const { createServer } = await import('node:http')
  let asked = 0
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    asked += 1
    const answer = await fetch(`${target}${(request.url ?? '').replace(/^\/v1/, '')}`, {
      method: request.method ?? 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.concat(chunks),
    })
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(await answer.text())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked: () => asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
