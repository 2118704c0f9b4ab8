import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { project } from '#read-models/projection.js'
import {
  contents,
  eventCount,
  exportedLines,
  into,
  openImportTarget,
  writerOn,
} from '../../test/support/imported.js'
import { insertion, tenantId } from '../../test/support/log.js'
import { openSealedLog, type SealedLog } from '../../test/support/sealed-log.js'
import { chainHash, GENESIS, payloadHash } from './chain.js'
import { decoded, type StoredEvent } from './event-row.js'
import { type ExportLine, eventLine, headerLine, manifestLine, readLine } from './export-line.js'
import { importLog } from './import.js'
import { commitBatch } from './import-commit.js'
import { ImportFold } from './import-fold.js'
import { Frontier } from './merkle.js'

const EVENTS = 96 + 4
let sealed: SealedLog
let lines: string[]
let source: Record<string, string[]>
let blockId: string

beforeAll(async () => {
  sealed = await openSealedLog(96, 4)
  const { reads } = sealed.log
  lines = await exportedLines(reads)
  source = await contents(reads)
  blockId = events()[0]?.streamId as string
})

afterAll(() => sealed.close())

function events(): StoredEvent[] {
  return lines.slice(1, -1).map((text) => (readLine(text) as { event: StoredEvent }).event)
}

describe('what does not verify', () => {
  const line = (all: readonly string[], at: number): string => all[at] as string
  const changes: [string, (lines: string[]) => string[]][] = [
    ['a changed payload', (l) => l.with(90, line(l, 90).replace('line', 'lime'))],
    ['a changed actor', (l) => l.with(90, line(l, 90).replace('"local"', '"other"'))],
    ['a missing event', (l) => l.toSpliced(90, 1)],
    ['two lines swapped', (l) => l.with(90, line(l, 91)).with(91, line(l, 90))],
    ['a line that is none', (l) => l.toSpliced(90, 0, '{"half":')],
    ['no manifest', (l) => l.slice(0, -1)],
    ['a cut end', (l) => l.slice(0, 60)],
    ['another root in its header', (l) => l.with(0, line(l, 0).replace(/"root":"./, '"root":"x'))],
  ]

  it.each(changes)('is refused whole: %s', async (_, change) => {
    await into(async (target) => {
      const refused = target.import(change([...lines]), { batchEvents: 5 })
      await expect(refused).rejects.toMatchObject({
        reason: 'unverified',
        verification: { ok: false },
      })
      expect(await contents(target.pool)).toEqual(await into(({ pool }) => contents(pool)))
    })
  })

  it('would stand in the log if it were only written (control arm)', async () => {
    await into(async (target) => {
      const forged = events().map((event, i) =>
        i === 89 ? { ...event, payload: (event.payload as string).replace('line', 'lime') } : event,
      )
      const fold = new ImportFold(target.pool, tenantId, project)
      await commitBatch(target.pool, tenantId, await fold.batch(forged))
      expect(await target.verify()).toMatchObject({ ok: false, events: EVENTS })
    })
  })

  it('is refused for its signature where a key is given, and not without one', async () => {
    const unsigned = lines.with(
      0,
      JSON.stringify({ ...JSON.parse(line(lines, 0)), checkpoint: null }),
    )
    await into(async (target) => {
      const other = target.import(lines, { keys: new Map() })
      await expect(other).rejects.toMatchObject({ reason: 'unverified' })
      const none = target.import(unsigned, { keys: sealed.keys })
      await expect(none).rejects.toMatchObject({ reason: 'unsigned' })
      expect(await eventCount(target.pool)).toBe(0)
      expect(await target.import(unsigned)).toMatchObject({ fresh: EVENTS, covered: 0 })
    })
  })

  it('stops the import when the file is changed between verifying and writing', async () => {
    await into(async (target) => {
      let reading = 0
      const twoFaced = () => {
        reading += 1
        return reading === 1 ? lines : lines.with(80, line(lines, 80).replace('line', 'lime'))
      }
      const options = { tenantId, project, keys: null, batchEvents: 10 }
      const moved = importLog(target.pool, twoFaced, options)
      await expect(moved).rejects.toMatchObject({ reason: 'moved' })
      expect(await target.verify()).toMatchObject({ ok: true })
      expect(await target.import(lines)).toMatchObject({ events: EVENTS })
      expect(await contents(target.pool)).toEqual(source)
    })
  })
})

describe('what does not belong here', () => {
  it('is refused: an event that is another one in the database', async () => {
    const copy = await openImportTarget(new URL(sealed.log.url).pathname.slice(1))
    const writer = sealed.log.openWriter()
    const other = writerOn(copy.url)
    const [version] = await Promise.all([
      writer.submit(insertion(blockId, 'here')),
      other.writer.submit(insertion(blockId, 'there')),
    ]).then(([here]) => ('result' in here ? [here.result] : []))
    await other.close()
    await writer.close()
    const before = await contents(copy.pool)
    const longer = await exportedLines(sealed.log.reads)
    await expect(copy.import(longer)).rejects.toMatchObject({
      reason: 'conflict',
      message: expect.stringContaining(`version ${version} of ${blockId}`),
    })
    expect(await contents(copy.pool)).toEqual(before)
    await copy.close()
  })

  it('is refused: the log of another tenant', async () => {
    await into(async (target) => {
      const other = target.import(lines, { tenantId: 'other' })
      await expect(other).rejects.toMatchObject({ reason: 'tenant' })
      expect(await eventCount(target.pool)).toBe(0)
    })
  })

  it('is refused: an event that no version wrote, though every hash of it holds', async () => {
    const strange: [Partial<StoredEvent>, RegExp][] = [
      [{ payload: '{"effect":7}' }, /version 1 of block-.* is none that was ever written/],
      [{ payload: '{"half":' }, /version 1 of block-.* is none that was ever written/],
      [{ type: 'BlockBurnt' }, /unknown type BlockBurnt/],
      [{ schema: 2 }, /schema 2/],
      [{ recordedAt: '2026-01-01T00:00:00.000001Z' }, /has a time that is none we wrote/],
      [{ commandId: 'nul \0' }, /characters that cannot be stored/],
      [{ streamId: 'tool-1' }, /no kind of stream/],
    ]
    for (const [change, message] of strange) {
      await into(async (target) => {
        const refused = target.import(forged(change))
        await expect(refused).rejects.toMatchObject({
          reason: 'unreadable',
          message: expect.stringMatching(message),
        })
        expect(await eventCount(target.pool)).toBe(0)
      })
    }
    // The control: nothing strange about it.
    await into(async (target) =>
      expect(await target.import(forged({}))).toMatchObject({ fresh: 1 }),
    )
  })

  it('is refused: a turn whose agent is not there', async () => {
    const payload = JSON.stringify({ agent_id: 'agent-1', input: [], options: {}, source: 'rest' })
    const queued = forged({ streamId: 'run-1', type: 'TurnQueued', payload })
    await into(async (target) => {
      await expect(target.import(queued)).rejects.toMatchObject({ reason: 'gap' })
      expect(await eventCount(target.pool)).toBe(0)
    })
  })
})

/** An export of one event, in which everything that an export is checked for is right. */
function forged(change: Partial<StoredEvent>): string[] {
  const event = { ...(events()[0] as StoredEvent), ...change }
  const digest = payloadHash(
    Buffer.from(event.salt as string, 'latin1'),
    decoded(event.payload as string),
  )
  const header = { ...event, tenantId, actor: JSON.parse(event.actor), correlation: null }
  const hash = chainHash(GENESIS, digest, header).toString('latin1')
  const whole = { ...event, payloadHash: digest.toString('latin1'), hash }
  const tree = Frontier.empty()
  tree.append(hash)
  const { position } = event
  const first = readLine(lines[0] as string) as Extract<ExportLine, { header: unknown }>
  return [
    headerLine({ ...first.header, checkpoint: null }),
    eventLine(tenantId, whole),
    manifestLine({
      tenantId,
      events: 1,
      firstPosition: position,
      lastPosition: position,
      size: 1,
      root: tree.root(),
      keyId: null,
    }),
  ].map((line) => line.trimEnd())
}
