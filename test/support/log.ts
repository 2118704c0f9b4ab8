import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import { decideBlock } from '#domain/block.js'
import type { BlockState } from '#domain/block-state.js'
import { foldStream } from '#event-store/stream-reader.js'
import type { Unit } from '#event-store/unit.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { createTestDatabase } from './database.js'

export const tenantId = 'default'
export const actor = { kind: 'user', id: 'local' } as const
export const by = { tenantId, actor }

/** A log on a database of its own, and as many writers on it as a test wants. */
export interface TestLog {
  /** Of its owner. */
  readonly url: string
  readonly reads: Pool
  openWriter(): Writer
  createBlock(writer: Writer, value?: string, limit?: number): Promise<string>
  valueOf(blockId: string): Promise<string>
  close(): Promise<void>
}

export async function openLog(): Promise<TestLog> {
  const database = await createTestDatabase()
  const reads = createPool(database.url, { max: 4 })
  const pools = [reads]
  return {
    url: database.url,
    reads,
    openWriter() {
      const writes = createPool(database.url, {
        max: WRITER_CONNECTIONS,
        settings: WRITER_SETTINGS,
      })
      pools.push(writes)
      return new Writer({ writes, reads, project })
    },
    async createBlock(writer, value = '', limit = 100_000) {
      const id = `block-${randomUUID()}`
      const create = { type: 'CreateBlock', value, settings: { label: 'notes', limit } } as const
      const outcome = await new ChangeBlockHandler(writer).execute(new ChangeBlock(id, create, by))
      if (!outcome.ok) throw new Error(outcome.rejection.detail)
      return id
    },
    async valueOf(blockId) {
      const { state } = await foldStream(reads, tenantId, blockId)
      return (state as BlockState).value
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.end()))
      await database.drop()
    },
  }
}

/** A unit that inserts a line; its result is the version it makes. */
export function insertion(
  blockId: string,
  text: string,
  command?: Unit<number>['command'],
): Unit<number> {
  return {
    tenantId,
    streams: [blockId],
    actor,
    ...(command ? { command } : {}),
    decide: (states) => {
      const block = states.block(blockId)
      const decided = decideBlock(
        block,
        { type: 'InsertText', text, place: { at: 'end' }, numbered: true },
        { actor, baseVersion: null },
      )
      if (!decided.ok) return { rejection: decided.rejection }
      const appends = decided.value.events.map((event) => ({ streamId: blockId, event }))
      return { appends, result: block.version + 1 }
    },
  }
}
