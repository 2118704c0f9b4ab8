import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { checkedEvents, checkWindow } from './checked-window.js'
import { EventCheck } from './event-check.js'
import { readRow } from './event-row.js'
import { effectIn } from './log-check.js'
import { scanWindows } from './log-scan.js'
import { RowCheck } from './row-check.js'
import { RowWindow } from './row-window.js'
import { ThreadCheck } from './thread-check.js'

let log: TestLog
const rows: Buffer[] = []

beforeAll(async () => {
  log = await openLog()
  const writer = log.openWriter()
  const blockId = await log.createBlock(writer, 'a\u{1f642}')
  const actors = ['user', 'agent "a"\\', 'ü\u{1f642}']
  for (let i = 0; i < 60; i++) {
    const unit = insertion(blockId, i % 3 ? `line ${i}` : `— "ü"\n\u{1f642} ${i}`)
    const correlation = i % 2 ? { run_id: `run-${i}`, step: i, epoch: 1 } : null
    const actor = { kind: 'user', id: actors[i % 3] as string } as const
    await writer.submit({ ...unit, actor, correlation })
  }
  await writer.close()
  for await (const window of scanWindows(log.reads, tenantId)) {
    window.each((bytes, start, end) => {
      rows.push(Buffer.from(bytes.subarray(start, end)))
    })
  }
})

afterAll(() => log.close())

function windowOf(all: readonly Buffer[]): RowWindow {
  const window = RowWindow.startingWith(1_000_000)
  for (const row of all) window.add(row)
  return window
}

function eventOf(row: Buffer): ReturnType<typeof readRow> {
  return readRow(row.toString('latin1'))
}

describe('a row that is checked from its bytes', () => {
  it('holds as the writer wrote it, and is left as it was', () => {
    expect(rows).toHaveLength(61)
    const check = new RowCheck(tenantId)
    const window = windowOf(rows)
    window.each((bytes, start, end) => expect(check.fault(bytes, start, end)).toBeNull())
    expect(window.map((row) => row)).toEqual(rows.map((row) => row.toString('latin1')))
    // Control: none of them holds in another tenant's log.
    const other = new RowCheck('other')
    window.each((bytes, start, end) => expect(other.fault(bytes, start, end)).toBe('header'))
  })

  it('is judged as the event it is, whichever of its bytes was changed', () => {
    const events = new EventCheck(tenantId)
    const check = new RowCheck(tenantId)
    const place = fc.tuple(fc.nat(rows.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }))
    let found = 0
    fc.assert(
      fc.property(place, ([index, at, change]) => {
        const row = Buffer.from(rows[index] as Buffer)
        for (const [from, to] of valuesIn(row)) {
          if (from === to) continue
          const changed = from + (at % (to - from))
          row[changed] = (row[changed] as number) ^ change
          const expected = judged(() => events.fault(eventOf(row)))
          const fault = judged(() => {
            let seen: unknown = null
            windowOf([row]).each((bytes, start, end) => {
              seen = check.fault(bytes, start, end)
            })
            return seen
          })
          expect(fault).toEqual(expected)
          if (fault !== null) found += 1
          row[changed] = (row[changed] as number) ^ change
        }
      }),
    )
    expect(found).toBeGreaterThan(100)
  })

  it('comes back with what it says and what it does to the text', () => {
    const checked = checkWindow(windowOf(rows).message(), new RowCheck(tenantId))
    const events = checkedEvents(checked)
    expect(events).toHaveLength(rows.length)
    for (const [index, { effect, ...event }] of events.entries()) {
      const { payload, ...stored } = eventOf(rows[index] as Buffer)
      expect(stored).toMatchObject(omitFault(event))
      expect(effect()).toEqual(effectIn(payload as string))
    }
  })
})

describe('a thread that checks', () => {
  it('gives windows back in their order', async () => {
    const thread = new ThreadCheck(tenantId)
    const windows = [rows.slice(0, 40), rows.slice(40, 41), rows.slice(41)].map(windowOf)
    const positions: number[] = []
    for await (const events of thread.all(inTurn(windows))) {
      for (const event of events) positions.push(omitFault(event).position)
    }
    await thread.close()
    expect(positions).toEqual(rows.map((row) => eventOf(row).position))
  })

  it('ends with an error when it cannot read a row: nothing waits for ever', async () => {
    const thread = new ThreadCheck(tenantId)
    // Each field says that it is longer than the window: what stands behind a row decides nothing.
    const row = Buffer.alloc(100, 0x7f)
    const read = async (): Promise<void> => {
      const broken = Array.from({ length: 6 }, () => windowOf([row]))
      for await (const _ of thread.all(inTurn(broken)));
    }
    await expect(read()).rejects.toThrow('out of range')
    await expect(read()).rejects.toThrow('out of range')
    await thread.close()
  })
})

async function* inTurn<T>(all: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* all
}

function omitFault<T extends { fault: unknown }>({ fault, ...event }: T): Omit<T, 'fault'> {
  expect(fault).toBeNull()
  return event
}

/** What cannot be read at all is refused in the same words by both. */
function judged(judge: () => unknown): unknown {
  try {
    return judge()
  } catch (error) {
    return (error as Error).name
  }
}

/** Where the values of a row begin and end. */
function valuesIn(row: Buffer): [from: number, to: number][] {
  const values: [number, number][] = []
  for (let at = 2; at < row.length; ) {
    const from = at + 4
    at = from + Math.max(0, row.readInt32BE(at))
    values.push([from, at])
  }
  return values
}
