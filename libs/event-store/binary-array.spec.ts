import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { openLog, type TestLog } from '../../test/support/log.js'
import { binaryArray, type ElementType } from './binary-array.js'

let log: TestLog

beforeAll(async () => {
  log = await openLog()
})

afterAll(() => log.close())

/** What the server makes of an array, as text. */
async function received(type: ElementType, values: Parameters<typeof binaryArray>[1]) {
  const { rows } = await log.reads.query<{ e: string | null }>(
    `select e::text from unnest($1::${type}[]) with ordinality u(e, n) order by n`,
    [binaryArray(type, values)],
  )
  return rows.map(({ e }) => e)
}

const storable = fc.string({ unit: 'binary', maxLength: 300 }).filter((s) => !s.includes('\0'))
const INT_MAX = 2_147_483_647

describe('an array in binary arrives as it was', () => {
  const cases: [ElementType, fc.Arbitrary<string | number | Buffer>, (value: never) => string][] = [
    ['text', storable, (value: string) => value],
    ['json', storable.map((s) => JSON.stringify({ s })), (value: string) => value],
    ['int', fc.integer({ min: -INT_MAX, max: INT_MAX }), String],
    ['smallint', fc.integer({ min: -32_768, max: 32_767 }), String],
    ['bigint', fc.maxSafeInteger(), String],
    [
      'bytea',
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      (value: Buffer) => `\\x${value.toString('hex')}`,
    ],
  ]

  it.each(cases)('%s, nulls among them', async (type, element, asText) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(element), { maxLength: 300 }), async (values) => {
        const expected = values.map((value) => (value === null ? null : asText(value as never)))
        expect(await received(type, values)).toEqual(expected)
      }),
      { numRuns: 30 },
    )
  })

  it('timestamptz to the millisecond, before and after the year 2000', async () => {
    const times = [
      '1999-12-31T23:59:59.999Z',
      '2000-01-01T00:00:00.000Z',
      '2026-11-21T05:55:25.123Z',
    ]
    const { rows } = await log.reads.query<{ e: Date }>(
      'select e from unnest($1::timestamptz[]) with ordinality u(e, n) order by n',
      [binaryArray('timestamptz', times)],
    )
    expect(rows.map(({ e }) => e.toISOString())).toEqual(times)
  })

  it('bytes in parts, of which some are empty', async () => {
    const parts = ['ab', '', 'c'].map((text) => Buffer.from(text))
    expect(await received('bytea', [parts, null, [], parts])).toEqual([
      '\\x616263',
      null,
      '\\x',
      '\\x616263',
    ])
  })

  it('however much longer it is than the one before', async () => {
    const long = 'ä€😀'.repeat(200_000)
    expect(await received('text', ['a', long, null])).toEqual(['a', long, null])
  })
})
