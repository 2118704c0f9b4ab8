import pg from 'pg'
import { type EmbeddedServer, openEmbeddedServer } from './embedded-server.js'
import { type Product, startProduct } from './product.js'
import { restOf } from './rest.js'
import type { Seeded } from './seeded.js'
import { SlowModel } from './slow-model.js'
import { TurnLoad } from './turn-load.js'
import { type Lack, WorkerCrew } from './worker-crew.js'

export interface FleetOptions {
  readonly random: Seeded
  readonly workers: number
  /** Turns at once in each worker. */
  readonly turnsOfWorker: number
  readonly agents: number
  readonly turnsEach: number
  /** How many of the turns look something up first; a quarter unless told otherwise. */
  readonly searchShare?: number
  /** A model call or a search takes from the first to the second, in milliseconds. */
  readonly modelMs: readonly [number, number]
  readonly redisUrl?: string | undefined
  readonly lacks?: readonly Lack[]
  /** A server of its own, as `npm start` has one, that notes when it committed what. */
  readonly ownServer?: boolean
}

/** An api, a slow model, workers that may be killed, and agents that keep them busy. */
export interface TurnFleet {
  readonly crew: WorkerCrew
  readonly load: TurnLoad
  readonly model: SlowModel
  /** As the owner of the database. */
  readonly sql: pg.Pool
  readonly product: Product
  /** Where it has one of its own. */
  readonly server: EmbeddedServer | null
  close(): Promise<void>
}

export async function openTurnFleet(options: FleetOptions): Promise<TurnFleet> {
  const { random, workers, agents, turnsEach, redisUrl, searchShare = 0.25 } = options
  const [least, most] = options.modelMs
  const server = options.ownServer ? await ownServer() : null
  const model = await SlowModel.start(() => least + random() * (most - least))
  const database = server ? { url: server.url, drop: async () => {} } : undefined
  const product = await startProduct({
    workers: 0,
    redisUrl,
    env: model.env,
    ...(database ? { database } : {}),
  })
  const crew = new WorkerCrew({
    ...model.env,
    DATABASE_URL: product.databaseUrl,
    REDIS_URL: product.config.redisUrl ?? '',
    PALIMPSEST_DATA_DIR: product.config.dataDir,
    PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
    PALIMPSEST_TURNS: String(options.turnsOfWorker),
    WORKER_LACKS: (options.lacks ?? []).join(','),
    WORKER_SILENT: process.env['TURNS_VERBOSE'] ? '' : '1',
  })
  const sql = new pg.Pool({ connectionString: product.databaseUrl, max: 4 })
  // The server may be killed: an idle connection is no fault of the test.
  sql.on('error', () => {})
  const rest = restOf(product.port)
  const load = new TurnLoad({ rest, sql, model, random, agents, turnsEach, searchShare })
  const verbose = process.env['TURNS_VERBOSE'] ? setInterval(tell, 5_000) : undefined
  const begun = performance.now()
  async function tell(): Promise<void> {
    const seconds = Math.round((performance.now() - begun) / 1000)
    // The server may just be away.
    const counts = await Promise.all([load.inFlight(), load.waiting()]).catch(() => [])
    const [inFlight, waiting] = counts
    const now = { inFlight, waiting, faults: load.faults.length }
    process.stderr.write(`${seconds} s ${JSON.stringify({ ...now, ...load.told })}\n`)
  }
  const close = async (): Promise<void> => {
    clearInterval(verbose)
    await crew.close()
    await sql.end()
    await product.close()
    await model.close()
    await server?.close()
  }
  try {
    await crew.hire(workers)
  } catch (error) {
    await close()
    throw error
  }
  return { crew, load, model, sql, product, server, close }
}

async function ownServer(): Promise<EmbeddedServer> {
  const server = await openEmbeddedServer()
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await client.query('alter system set track_commit_timestamp = on')
  await client.end()
  await server.kill(() => {})
  await server.restart()
  return server
}
