// The product as its services run it: the real writer on pools like theirs, and edits through the real
// decider.
import { randomUUID } from 'node:crypto'
import { ChangeBlock, ChangeBlockHandler } from '../../dist/libs/commands/change-block.js'
import { decideBlock } from '../../dist/libs/domain/block.js'
import { WRITER_CONNECTIONS, WRITER_SETTINGS, Writer } from '../../dist/libs/event-store/writer.js'
import { createPool } from '../../dist/libs/postgres/database.js'
import { project } from '../../dist/libs/read-models/projection.js'
import { words } from './words.mjs'

export const TENANT = 'default'
/** What one edit brings, in characters; the ceiling writes as much. */
export const EDIT = 100

const READS_MAX = 20
const actor = { kind: 'user', id: 'bench' }
const by = { tenantId: TENANT, actor }
const fingerprint = Buffer.from('bench')
const text = words(EDIT)

/** @param options `onCommit` as the services hear of commits. */
export function openWriter(url, options = {}) {
  const writes = createPool(url, { max: WRITER_CONNECTIONS, settings: WRITER_SETTINGS })
  const reads = createPool(url, { max: READS_MAX })
  const writer = new Writer({ writes, reads, project, ...options })
  return {
    writer,
    reads,
    async close() {
      await writer.close()
      await Promise.all([writes.end(), reads.end()])
    },
  }
}

/** @returns the id of a new block whose text begins with a line that `replacement` can replace. */
export async function newBlock(writer, length) {
  const blockId = `block-${randomUUID()}`
  const value = line(0) + words(length - EDIT)
  const create = { type: 'CreateBlock', value, settings: { label: 'bench', limit: 1_000_000_000 } }
  const outcome = await new ChangeBlockHandler(writer).execute(new ChangeBlock(blockId, create, by))
  if (!outcome.ok) throw new Error(outcome.rejection.detail)
  return blockId
}

/** An edit that leaves the block as long as it was, so that a run measures writing and not growing. */
export function replacement(blockId, options = {}) {
  return edit(blockId, options, (block) => ({
    type: 'ReplaceText',
    old: block.value.slice(0, EDIT),
    new: line(block.version),
    all: false,
    numbered: false,
  }))
}

/** 100 more characters at the end. */
export function insertion(blockId) {
  const command = { type: 'InsertText', text, place: { at: 'end' }, numbered: false }
  return edit(blockId, {}, () => command)
}

/** @throws unless it was committed: whoever had to try again would notice. */
export async function submit(writer, unit) {
  const verdict = await writer.submit(unit)
  if (verdict.status !== 'ok') throw new Error(verdict.rejection?.detail ?? verdict.status)
  return verdict
}

function edit(blockId, { withIds = false }, command) {
  return {
    tenantId: TENANT,
    streams: [blockId],
    actor,
    ...(withIds ? { command: { id: `bench-${randomUUID()}`, fingerprint } } : {}),
    decide: (states) => {
      const block = states.block(blockId)
      const decided = decideBlock(block, command(block), { actor, baseVersion: null })
      if (!decided.ok) return { rejection: decided.rejection }
      return {
        appends: decided.value.events.map((event) => ({ streamId: blockId, event })),
        result: null,
      }
    },
  }
}

/** A hundred characters that occur once in the text. */
export function line(version) {
  return String(version).padStart(12, '0') + text.slice(12)
}
