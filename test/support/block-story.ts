import { randomUUID } from 'node:crypto'
import type { BlockChange, BlockEdit } from '#commands/block-change.js'
import { type AgentChange, ChangeAgent, ChangeAgentHandler } from '#commands/change-agent.js'
import { type BlockChanged, ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import { ChangeBlocks, ChangeBlocksHandler } from '#commands/change-blocks.js'
import type { CommandMetadata, Outcome } from '#commands/metadata.js'
import type { AgentSettings } from '#domain/agent.js'
import type { SettingsPatch } from '#domain/block-events.js'
import type { BlockState } from '#domain/block-state.js'
import type { Rejection } from '#domain/errors.js'
import { foldStream } from '#event-store/stream-reader.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createDatabase, createPool } from '#postgres/database.js'
import type { Listed, PageRequest } from '#read-models/listing.js'
import { project } from '#read-models/projection.js'
import type { Reads } from '#read-models/reads.js'
import { createTestDatabase } from './database.js'

export const tenantId = 'default'
const by: CommandMetadata = { tenantId, actor: { kind: 'user', id: 'local' } }

/** Fills a database with blocks and agents through the commands every client uses. */
export interface BlockStory {
  /** Of the database's owner. */
  readonly url: string
  readonly reads: Reads
  block(label: string, value?: string, settings?: SettingsPatch): Promise<string>
  agent(
    name: string,
    blockIds?: readonly string[],
    settings?: Partial<AgentSettings>,
  ): Promise<string>
  change(
    blockId: string,
    change: BlockChange,
    more?: Partial<CommandMetadata>,
  ): Promise<BlockChanged>
  /** The same, refused or not. */
  attempt(
    blockId: string,
    change: BlockChange,
    more?: Partial<CommandMetadata>,
  ): Promise<Outcome<BlockChanged>>
  attemptAll(
    edits: readonly BlockEdit[],
    more?: Partial<CommandMetadata>,
  ): Promise<Outcome<readonly BlockChanged[]>>
  /** As the log has it. */
  state(blockId: string): Promise<BlockState>
  changeAgent(agentId: string, change: AgentChange): Promise<void>
  refusal(agentId: string, change: AgentChange): Promise<Rejection>
  close(): Promise<void>
}

export async function openBlockStory(): Promise<BlockStory> {
  const database = await createTestDatabase()
  const pool = createPool(database.url, { max: 4 })
  const writes = createPool(database.url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
  const db = createDatabase(pool)
  const writer = new Writer({ writes, reads: pool, project })
  const blocks = new ChangeBlockHandler(writer)
  const agents = new ChangeAgentHandler(writer)

  const batches = new ChangeBlocksHandler(writer)

  const attempt: BlockStory['attempt'] = (blockId, what, more) =>
    blocks.execute(new ChangeBlock(blockId, what, { ...by, ...more }))
  const change: BlockStory['change'] = async (blockId, what, more) =>
    accepted(await attempt(blockId, what, more))

  return {
    url: database.url,
    reads: { db, pool },
    change,
    attempt,
    attemptAll: (edits, more) => batches.execute(new ChangeBlocks(edits, { ...by, ...more })),
    state: async (id) => (await foldStream(pool, tenantId, id)).state as BlockState,
    async block(label, value = '', settings = {}) {
      const id = `block-${randomUUID()}`
      await change(id, { type: 'CreateBlock', value, settings: { ...settings, label } })
      return id
    },
    async agent(name, blockIds = [], settings = {}) {
      const id = `agent-${randomUUID()}`
      const all = { system: 's', model: 'openai/m', ...settings, name }
      const what = { type: 'CreateAgent', settings: all, tools: [], blockIds, newBlocks: [] }
      accepted(await agents.execute(new ChangeAgent(id, what as AgentChange, by)))
      return id
    },
    async changeAgent(agentId, what) {
      accepted(await agents.execute(new ChangeAgent(agentId, what, by)))
    },
    async refusal(agentId, what) {
      const outcome = await agents.execute(new ChangeAgent(agentId, what, by))
      if (outcome.ok) throw new Error('it was accepted')
      return outcome.rejection
    },
    async close() {
      await writer.close()
      await writes.end()
      await db.destroy()
      await database.drop()
    },
  }
}

function accepted<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value
  throw new Error(JSON.stringify(outcome.rejection))
}

export function rowsOf<Row>(listed: Listed<Row>): Row[] {
  if ('rows' in listed) return listed.rows
  throw new Error(`unknown cursor ${listed.unknownCursor}`)
}

/** Ids in the order in which a client that pages by `limit` meets them, forwards, then backwards. */
export async function paged(
  list: (page: PageRequest) => Promise<Listed<{ readonly id: string }>>,
  order: 'asc' | 'desc',
  limit: number,
): Promise<{ readonly forwards: string[]; readonly backwards: string[] }> {
  const ids = async (before: string | null, after: string | null) =>
    rowsOf(await list({ limit, order, before, after })).map((row) => row.id)
  const forwards: string[] = []
  let page = await ids(null, null)
  while (page.length > 0) {
    forwards.push(...page)
    page = await ids(null, forwards.at(-1) ?? null)
  }
  const backwards = forwards.slice(-1)
  page = await ids(backwards[0] ?? null, null)
  while (page.length > 0) {
    backwards.unshift(...page)
    page = await ids(backwards[0] ?? null, null)
  }
  return { forwards, backwards }
}
