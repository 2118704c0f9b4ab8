import { setImmediate as nextRound } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { type Answers, GroupReads } from './group-reads.js'

/** A statement that is under way until it is answered. */
interface Statement {
  readonly keys: string
  answer(answers?: Answers<string>): Promise<void>
  fail(): Promise<void>
}

function opened(): { reads: GroupReads<string>; statements: Statement[] } {
  const statements: Statement[] = []
  const read = (tenantId: string, keys: readonly string[]): Promise<Answers<string>> =>
    new Promise((resolve, reject) => {
      const usual = new Map(keys.map((key) => [key, `${tenantId}/${key} by ${statements.length}`]))
      statements.push({
        keys: keys.join(' '),
        answer: async (answers = usual) => {
          resolve(answers)
          await twoRounds()
        },
        fail: async () => {
          reject(new Error('lost'))
          await twoRounds()
        },
      })
    })
  return { reads: new GroupReads(read), statements }
}

/** In the first it is heard, in the second the next one goes out. */
async function twoRounds(): Promise<void> {
  await nextRound()
  await nextRound()
}

const sent = (statements: readonly Statement[]): string[] => statements.map(({ keys }) => keys)

describe('Reads that wait', () => {
  it('go out together behind the two that are under way, each key once', async () => {
    const { reads, statements } = opened()
    const first = reads.getAll('t', ['a'])
    await nextRound()
    const second = reads.getAll('t', ['b'])
    await nextRound()
    const third = [reads.getAll('t', ['c', 'd']), reads.getAll('t', ['d', 'a'])]
    await nextRound()
    expect(sent(statements)).toEqual(['a', 'b'])
    await statements[1]?.answer()
    expect(sent(statements)).toEqual(['a', 'b', 'c d a'])
    await statements[0]?.answer()
    await statements[2]?.answer()
    expect(await first).toEqual(new Map([['a', 't/a by 0']]))
    expect(await second).toEqual(new Map([['b', 't/b by 1']]))
    expect(await Promise.all(third)).toEqual([
      new Map([
        ['c', 't/c by 2'],
        ['d', 't/d by 2'],
      ]),
      new Map([
        ['d', 't/d by 2'],
        ['a', 't/a by 2'],
      ]),
    ])
  })

  it('are never answered by a statement that went out before they were asked', async () => {
    const { reads, statements } = opened()
    const before = reads.getAll('t', ['a'])
    await nextRound()
    const behind = reads.getAll('t', ['a'])
    await nextRound()
    await statements[1]?.answer()
    await statements[0]?.answer()
    expect([await before, await behind]).toEqual([
      new Map([['a', 't/a by 0']]),
      new Map([['a', 't/a by 1']]),
    ])
  })

  it('of several tenants never share a statement', async () => {
    const { reads, statements } = opened()
    const both = [reads.getAll('t', ['a']), reads.getAll('u', ['a'])]
    await nextRound()
    for (const statement of statements) await statement.answer()
    expect(await Promise.all(both)).toEqual([
      new Map([['a', 't/a by 0']]),
      new Map([['a', 'u/a by 1']]),
    ])
  })

  it('fail alone where a key alone fails', async () => {
    const { reads, statements } = opened()
    const good = reads.getAll('t', ['a'])
    const bad = expect(reads.getAll('t', ['b'])).rejects.toThrow('unreadable')
    await nextRound()
    const broken = Promise.reject<string>(new Error('unreadable'))
    const answers = [['a', 'read'] as const, ['b', broken] as const]
    await statements[0]?.answer(new Map<string, string | Promise<string>>(answers))
    await bad
    expect(await good).toEqual(new Map([['a', 'read']]))
  })

  it('fail with their statement, and the next ones go on', async () => {
    const { reads, statements } = opened()
    const lost = Promise.all([reads.getAll('t', ['a']), reads.getAll('t', ['b'])])
    const failed = expect(lost).rejects.toThrow('lost')
    await nextRound()
    await statements[0]?.fail()
    await failed
    const next = reads.getAll('t', ['a'])
    await nextRound()
    await statements[1]?.answer()
    expect(await next).toEqual(new Map([['a', 't/a by 1']]))
  })
})
