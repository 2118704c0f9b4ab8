import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { BlockEvent } from '#domain/block-events.js'
import { GENESIS, link } from '#event-store/chain.js'
import { actor, tenantId } from './log.js'

/** Rows of one INSERT. */
const BATCH = 5_000

export interface BulkLog {
  readonly events: number
  readonly blocks: number
}

interface Head {
  readonly id: string
  version: number
  hash: Buffer
  lines: string[]
}

/**
 * Fills an empty log with chained events of blocks in turn, each inserting a line of some 60 characters
 * in front of at most nine others or taking the last of ten away. Through no writer, so that a million take seconds.
 *
 * @param pool of the database's owner.
 * @returns the ids of the blocks.
 */
export async function loadBulkLog(pool: Pool, log: BulkLog): Promise<string[]> {
  const heads = Array.from(
    { length: log.blocks },
    (): Head => ({ id: `block-${randomUUID()}`, version: 0, hash: GENESIS, lines: [] }),
  )
  for (let done = 0; done < log.events; done += BATCH) {
    const rows: object[] = []
    for (let n = done; n < Math.min(done + BATCH, log.events); n++) {
      rows.push(next(heads[n % heads.length] as Head, n))
    }
    await pool.query(INSERT, [JSON.stringify(rows)])
  }
  await pool.query(
    `insert into streams (tenant_id, stream_id, kind, version, hash, value, length)
     select $1, h.id, 'block', h.version, decode(h.hash, 'hex'), h.value, length(h.value)
       from json_to_recordset($2::json) h(id text, version int, hash text, value text)`,
    [
      tenantId,
      JSON.stringify(
        heads
          .filter(({ version }) => version > 0)
          .map((head) => ({
            id: head.id,
            version: head.version,
            hash: head.hash.toString('hex'),
            value: head.lines.join(''),
          })),
      ),
    ],
  )
  return heads.map(({ id }) => id)
}

const INSERT = `
insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, correlation, base_version,
                    recorded_at, payload, salt, payload_hash, prev_hash, hash)
select '${tenantId}', e.stream_id, e.version, e.type, 1, e.actor::json, e.command_id, e.correlation::json,
       e.base_version, e.recorded_at, e.payload::json, decode(e.salt, 'hex'), decode(e.payload_hash, 'hex'),
       decode(e.prev_hash, 'hex'), decode(e.hash, 'hex')
  from json_to_recordset($1::json) e(
       n int, stream_id text, version int, type text, actor text, command_id text, correlation text,
       base_version int, recorded_at timestamptz, payload text, salt text, payload_hash text, prev_hash text,
       hash text)
 order by e.n`

function next(head: Head, n: number): object {
  const version = head.version + 1
  const event = version === 1 ? { type: 'BlockCreated', payload: created() } : edited(head, n)
  const payload = JSON.stringify(event.payload)
  const recordedAt = new Date(Date.UTC(2026, 0, 1) + n).toISOString()
  const correlation =
    n % 3 === 0
      ? null
      : { run_id: `run-${randomUUID()}`, step: 2, tool_call_id: `call-${n}`, epoch: 1 }
  const header = {
    tenantId,
    streamId: head.id,
    version,
    type: event.type,
    schema: 1,
    actor,
    commandId: `c-${randomUUID()}`,
    correlation,
    baseVersion: version === 1 ? null : version - 1,
    recordedAt,
  }
  const { salt, payloadHash, prevHash, hash } = link(head.hash, payload, header)
  head.version = version
  head.hash = hash
  return {
    n,
    stream_id: head.id,
    version,
    type: header.type,
    actor: JSON.stringify(actor),
    command_id: header.commandId,
    correlation: correlation && JSON.stringify(correlation),
    base_version: header.baseVersion,
    recorded_at: recordedAt,
    payload,
    salt: salt.toString('hex'),
    payload_hash: payloadHash.toString('hex'),
    prev_hash: prevHash.toString('hex'),
    hash: hash.toString('hex'),
  }
}

function created(): object {
  const settings = {
    label: 'notes',
    description: null,
    limit: 100_000,
    read_only: false,
    tags: [],
    metadata: {},
  }
  const kept = { hidden: null, is_template: false, preserve_on_migration: false }
  const owner = { project_id: null, template_name: null }
  return { intent: { ...settings, ...kept, ...owner, value: '' }, effect: [], length: 0 }
}

/** As the product writes an edit: a line comes in front, and the last of ten goes. */
function edited({ lines }: Head, n: number): Pick<BlockEvent, 'type' | 'payload'> {
  const old = lines.length === 10 ? lines.pop() : undefined
  const length = lines.join('').length
  if (old !== undefined) {
    const effect = [{ offset: length, delete: old.length, insert: '' }]
    const receipt = { matched: 'exact' as const, places: 1, line: 10, unseen: [] }
    return { type: 'TextReplaced', payload: { intent: { old, new: '' }, effect, receipt, length } }
  }
  const line = `${String(n).padStart(9, '0')} what this agent has learnt about the matter: é\n`
  lines.unshift(line)
  const text = line.trimEnd()
  const effect = [{ offset: 0, delete: 0, insert: line }]
  const receipt = { placed: 'line' as const, line: 1, lines: 1 }
  return {
    type: 'TextInserted',
    payload: {
      intent: { text, place: { at: 'line', line: 0 } },
      effect,
      receipt,
      length: length + line.length,
    },
  }
}
