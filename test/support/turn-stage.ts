import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { ChangeTurn, ChangeTurnHandler } from '#commands/change-turn.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createDatabase, createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { TurnWaiters } from '#turns/turn-waiters.js'
import { ScriptedModelServer } from './model-server.js'
import { type Product, type ProductOptions, startProduct } from './product.js'
import { type Answer, makeAgent, makeBlock, type Rest, restOf, type WireBlock } from './rest.js'
import { queuedPayload } from './turn-commands.js'

export interface StoredEvent {
  readonly type: string
  readonly version: number
  readonly position: string
  readonly command_id: string
  // biome-ignore lint/suspicious/noExplicitAny: each test knows which event it looks at.
  readonly payload: any
}

export interface WireRun {
  readonly id: string
  readonly status: string
  readonly stop_reason: string | null
}

/** The product with a scripted model, and what specs of turns look at from outside. */
export interface TurnStage {
  readonly product: Product
  readonly model: ScriptedModelServer
  readonly rest: Rest
  /** As the owner of the database. */
  readonly sql: pg.Pool
  agent(blocks?: readonly WireBlock[], tools?: readonly string[]): Promise<string>
  block(value: string): Promise<WireBlock>
  /** Sends a message and waits for the answer. */
  send(agentId: string, text: string, more?: object): Promise<Answer>
  /** Sends a message and returns its run's id at once. */
  sendAsync(agentId: string, text: string): Promise<string>
  /** Commits a turn as the api does, and rings for nobody. */
  queueSilently(agentId: string, text: string): Promise<string>
  /** Resolves once the runs are over. */
  ended(...runIds: readonly string[]): Promise<void>
  run(runId: string): Promise<WireRun>
  events(streamId: string, type?: RegExp): Promise<StoredEvent[]>
  close(): Promise<void>
}

export async function openTurnStage(options: ProductOptions = {}): Promise<TurnStage> {
  const model = await ScriptedModelServer.start()
  const env = {
    OPENAI_BASE_URL: model.url,
    OPENAI_API_KEY: 'none',
    PALIMPSEST_SIMULATED: 'never',
    // Another provider, whose limits are its own, on the same server.
    PALIMPSEST_PROVIDERS: JSON.stringify({ openai: {}, local: { base_url: model.url } }),
    ...options.env,
  }
  const product = await startProduct({ ...options, env })
  const rest = restOf(product.port)
  const url = product.databaseUrl
  const sql = new pg.Pool({ connectionString: url, max: 2 })
  const reads = createPool(url, { max: 2 })
  const writes = createPool(url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
  const db = createDatabase(reads)
  const waiters = new TurnWaiters(db, 'default')
  const writer = new Writer({ writes, reads, project })
  const queueing = new ChangeTurnHandler(writer)

  const stage: TurnStage = {
    product,
    model,
    rest,
    sql,
    async agent(blocks = [], tools = []) {
      const ids = blocks.map((block) => block.id)
      return (await makeAgent(rest, ids, { tools })).id
    },
    block: (value) => makeBlock(rest, { value }),
    send: (agentId, text, more = {}) =>
      rest('POST', `/v1/agents/${agentId}/messages`, { input: text, ...more }),
    async sendAsync(agentId, text) {
      const path = `/v1/agents/${agentId}/messages/async`
      const { body } = await rest<WireRun>('POST', path, { input: text })
      return body.id
    },
    async queueSilently(agentId, text) {
      const runId = `run-${randomUUID()}`
      const [message] = queuedPayload().input
      const input = [{ ...message, role: 'user', content: text, name: null } as never]
      const payload = { ...queuedPayload(), agent_id: agentId, input }
      const by = { tenantId: 'default', actor: { kind: 'user', id: 'local' } } as const
      const verdict = await queueing.execute(
        new ChangeTurn(runId, agentId, { type: 'QueueTurn', payload }, by),
      )
      if (verdict.status !== 'ok') throw new Error(JSON.stringify(verdict))
      return runId
    },
    async ended(...runIds) {
      const signal = AbortSignal.timeout(20_000)
      await Promise.all(runIds.map((id) => waiters.wait(id, signal)))
    },
    run: async (runId) => (await rest<WireRun>('GET', `/v1/runs/${runId}`)).body,
    async events(streamId, type = /./) {
      const { rows } = await sql.query<StoredEvent>(
        `select type, version, position, command_id, payload from events
          where stream_id = $1 order by version`,
        [streamId],
      )
      return rows.filter((event) => type.test(event.type))
    },
    async close() {
      waiters.close()
      await writer.close()
      await db.destroy()
      await Promise.all([writes.end(), sql.end()])
      await product.close()
      await model.close()
    },
  }
  return stage
}

/** A promise and what opens it: a test holds an answer back until it has looked. */
export function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open: () => open(), opened }
}

/** The text of the last message of a request, and whose it is. */
export function lastSaid(request: {
  readonly messages: readonly { readonly role: string; readonly content: string | null }[]
}): { role: string; text: string } {
  const last = request.messages.at(-1)
  return { role: last?.role ?? '', text: last?.content ?? '' }
}
