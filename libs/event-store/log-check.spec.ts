import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import pg from 'pg'
import { insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { headerBytes } from './chain.js'
import { EventCheck } from './event-check.js'
import { encoded, type StoredEvent } from './event-row.js'
import { type Finding, LogCheck } from './log-check.js'
import { scanLog } from './log-scan.js'
import { readChain } from './stream-reader.js'

let log: TestLog
let blockIds: string[]

beforeAll(async () => {
  log = await openLog()
  const writer = log.openWriter()
  blockIds = []
  for (let i = 0; i < 3; i++) blockIds.push(await log.createBlock(writer, 'a\u{1f642}'))
  const units = Array.from({ length: 700 }, (_, i) =>
    writer.submit(insertion(blockIds[i % 3] as string, `line ${i} — "ü"\n\u{1f642}`)),
  )
  await Promise.all(units)
  await writer.close()
})

afterAll(() => log.close())

async function scanned(options = {}): Promise<StoredEvent[]> {
  const client = await log.reads.connect()
  const all: StoredEvent[] = []
  for await (const window of scanLog(client, tenantId, options)) all.push(...window)
  client.release()
  return all
}

function findingsOf(events: readonly StoredEvent[]): Finding[] {
  const findings: Finding[] = []
  const check = new LogCheck({ tenantId, onFinding: (f) => findings.push(f), texts: true })
  for (const event of events) check.check(event)
  return findings
}

const text = fc.string({ unit: 'grapheme' }).filter((s) => s.isWellFormed() && !s.includes('\0'))
const actor = fc.record(
  { kind: fc.constant('user'), id: text, name: text },
  { requiredKeys: ['kind', 'id'] },
)
const correlation = fc.record(
  {
    run_id: text,
    step: fc.nat(),
    tool_call_id: text,
    epoch: fc.nat(),
    more: fc.dictionary(text, text),
  },
  { requiredKeys: ['run_id'] },
)

describe('the events of a scan', () => {
  it('come whole and in order, across windows, and exactly as they are stored', async () => {
    const events = await scanned()
    expect(events).toHaveLength(703)
    expect(events.map((e) => e.position)).toEqual(
      events.map((e) => e.position).sort((a, b) => a - b),
    )
    for (const id of blockIds) {
      const chain = await readChain(log.reads, tenantId, id)
      const stream = events.filter((event) => event.streamId === id)
      expect(
        stream.map(({ payload, recordedAt, hash, version }) => ({
          payload,
          recordedAt,
          hash,
          version,
        })),
      ).toEqual(
        chain.map(({ payload, header, hash }) => ({
          payload: encoded(payload as string),
          recordedAt: header.recordedAt,
          hash: hash.toString('latin1'),
          version: header.version,
        })),
      )
      expect(await scanned({ streamId: id })).toEqual(stream)
      expect(await scanned({ streamId: id, after: 200 })).toEqual(stream.slice(200))
    }
    expect(await scanned({ after: events[99]?.position, upTo: events[650]?.position })).toEqual(
      events.slice(100, 651),
    )
  })

  it('come in windows of bounded size, whatever the size of the events', async () => {
    const large = await openLog()
    const writer = large.openWriter()
    const id = await large.createBlock(writer, '', 10_000_000)
    for (let i = 0; i < 40; i++) await writer.submit(insertion(id, 'é'.repeat(50_000)))
    await writer.close()
    const client = await large.reads.connect()
    const sizes: number[] = []
    for await (const window of scanLog(client, tenantId)) sizes.push(window.length)
    client.release()
    await large.close()
    expect(sizes.reduce((sum, rows) => sum + rows)).toBe(41)
    expect(Math.max(...sizes)).toBeLessThan(5)
  })

  it('leave the connection free when the reader stops in the middle', async () => {
    const client = await log.reads.connect()
    for await (const window of scanLog(client, tenantId)) {
      expect(window.length).toBeGreaterThan(0)
      break
    }
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    client.release()
  })

  it('say that a statement failed', async () => {
    const client = new pg.Client({ connectionString: log.url })
    await client.connect()
    await client.query('create schema elsewhere; set search_path = elsewhere')
    await expect(scanLog(client, tenantId).next()).rejects.toMatchObject({ code: '42P01' })
    await client.end()
  })
})

describe('a check', () => {
  it('gives a header the same bytes as the writer, whatever is in it', async () => {
    const [event] = (await scanned()) as [StoredEvent]
    fc.assert(
      fc.property(
        actor,
        fc.option(correlation),
        text,
        fc.option(fc.nat()),
        (actor, correlation, commandId, baseVersion) => {
          const check = new EventCheck('té"nant')
          const header = {
            tenantId: 'té"nant',
            streamId: event.streamId,
            version: event.version,
            type: event.type,
            schema: event.schema,
            actor: actor as never,
            commandId,
            correlation: correlation as never,
            baseVersion,
            recordedAt: event.recordedAt,
          }
          const stored = {
            ...event,
            actor: encoded(JSON.stringify(actor)),
            correlation: correlation && encoded(JSON.stringify(correlation)),
            commandId: encoded(commandId),
            baseVersion,
          }
          expect(check.header(stored)).toBe(headerBytes(header).toString('latin1'))
        },
      ),
    )
  })

  it('finds nothing in a log nobody touched, and knows each text', async () => {
    const findings: Finding[] = []
    const check = new LogCheck({ tenantId, onFinding: (f) => findings.push(f), texts: true })
    for (const event of await scanned()) check.check(event)
    expect(findings).toEqual([])
    for (const id of blockIds) expect(check.tip(id)?.text).toBe(await log.valueOf(id))
  })

  it('verifies an event without its payload by its hash, once it was erased', async () => {
    const client = new pg.Client({ connectionString: log.url })
    await client.connect()
    const id = blockIds[0] as string
    // What the append-only trigger lets the owner do, and nothing else.
    await client.query(
      'update events set payload = null, salt = null where stream_id = $1 and version = 5',
      [id],
    )
    await client.end()
    const events = await scanned()
    expect(events.find((e) => e.streamId === id && e.version === 5)?.payload).toBeNull()
    expect(findingsOf(events)).toEqual([])
  })

  it('names the event and goes on after it: one change is found once', async () => {
    const events = await scanned()
    const changed = [...events]
    changed[50] = { ...(events[50] as StoredEvent), commandId: 'forged' }
    const target = events[50] as StoredEvent
    expect(findingsOf(changed)).toMatchObject([
      { kind: 'header', index: 50, streamId: target.streamId, version: target.version },
    ])
    const without = events.filter((event) => event !== target)
    expect(findingsOf(without)).toMatchObject([
      { kind: 'version', streamId: target.streamId, version: target.version },
    ])
  })
})
