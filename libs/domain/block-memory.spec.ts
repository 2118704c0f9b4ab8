import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { user } from '../../test/support/block-commands.js'
import { anyText, effectOn } from '../../test/support/texts.js'
import {
  type BlockMemory,
  type BlockPast,
  changesSince,
  lookFurtherBack,
  newestChange,
  REMEMBERED_MIN,
  reaches,
  remember,
  startMemory,
  type TextChange,
  textAt,
} from './block-memory.js'
import { apply } from './text.js'

/** All there ever was: the text after every change, and the versions between them that changed none. */
interface Story {
  readonly born: number
  readonly values: ReadonlyMap<number, string>
  readonly changes: readonly TextChange[]
  readonly version: number
}

/** `gaps`: how many versions lie between one change and the one before; `text`: what each puts in, and where. */
function told(born: number, first: string, gaps: readonly number[]): Story {
  const values = new Map([[born, first]])
  const changes: TextChange[] = []
  let version = born
  let value = first
  gaps.forEach((gap, i) => {
    for (let between = 0; between < gap; between++) values.set(++version, value)
    const effect = effectOn(value, [[(i * 7) % 23, i % 3, i % 4 === 0 ? '' : `${i}\n`]])
    value = apply(value, effect)
    values.set(++version, value)
    changes.push({ version, actor: user, type: 'TextInserted', at: '', runId: null, effect })
  })
  return { born, values, changes, version }
}

function remembered({ born, values, changes }: Story, memory?: BlockMemory): BlockMemory {
  const start = memory ?? startMemory(born, values.get(born) as string)
  return changes.reduce((now, change) => {
    const version = change.version - 1
    return remember(now, { version, value: values.get(version) as string }, change)
  }, start)
}

function past({ values, changes, version }: Story, from: number, upTo = version): BlockPast {
  const between = changes.filter((change) => change.version > from && change.version <= upTo)
  return { version: from, value: values.get(from) as string, changes: between, upTo }
}

function expectTold(memory: BlockMemory, story: Story): void {
  for (let version = story.version; reaches(memory, version) && version >= story.born; version--) {
    const since = changesSince(memory, version)
    expect(since.length).toBe(story.changes.filter((change) => change.version > version).length)
    expect(since[0]).toBe(story.changes[story.changes.length - since.length])
    if (version % 5 === 0 || since.length < 5) {
      expect(textAt(memory, version)).toBe(story.values.get(version))
    }
  }
  const all = changesSince(memory, 0)
  expect(all).toEqual(story.changes.slice(story.changes.length - all.length))
}

const oldest = (memory: BlockMemory, story: Story): number =>
  [...story.values.keys()].find((version) => reaches(memory, version)) as number

describe('what a block remembers', () => {
  const gaps = fc.array(fc.constantFrom(0, 0, 0, 1, 3), { maxLength: 200, size: 'max' })

  it('is what happened, as far back as it says that it reaches', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), anyText, gaps, (born, value, all) => {
        const story = told(born, value, all)
        const memory = remembered(story)
        expect(newestChange(memory)).toEqual(story.changes.at(-1))
        expect(reaches(memory, born)).toBe(all.length <= 2 * REMEMBERED_MIN)
        expectTold(memory, story)
      }),
      { numRuns: 15 },
    )
  })

  it.each([
    [0, 0],
    [1, 1],
    [REMEMBERED_MIN, REMEMBERED_MIN],
    [2 * REMEMBERED_MIN, 2 * REMEMBERED_MIN],
    [2 * REMEMBERED_MIN + 1, REMEMBERED_MIN + 1],
    [5 * REMEMBERED_MIN, 2 * REMEMBERED_MIN],
    [6 * REMEMBERED_MIN + 2, REMEMBERED_MIN + 2],
  ])('after %i changes are the newest %i', (count, known) => {
    const story = told(1, 'a', Array(count).fill(0))
    const memory = remembered(story)
    expect(changesSince(memory, 0)).toEqual(story.changes.slice(count - known))
    expect(oldest(memory, story)).toBe(story.version - known)
    expect(reaches(memory, story.version - known - 1)).toBe(false)
  })

  it('is bounded, however long it goes on', () => {
    const memory = remembered(told(1, '', Array(10 * REMEMBERED_MIN).fill(0)))
    expect(memory.count).toBe(REMEMBERED_MIN)
    expect(memory.earlier?.count).toBe(REMEMBERED_MIN)
    expect(memory.earlier?.earlier).toBeNull()
  })

  it('of a block that nothing changed is its text', () => {
    const memory = startMemory(4, 'a')
    expect([newestChange(memory), changesSince(memory, 0), textAt(memory, 4)]).toEqual([
      undefined,
      [],
      'a',
    ])
    expect([3, 4, 5].map((version) => reaches(memory, version))).toEqual([false, true, true])
  })

  it('knows the newest change of a part that has just begun', () => {
    const story = told(1, '', Array(REMEMBERED_MIN).fill(0))
    const memory = remembered(story)
    const begun: BlockMemory = {
      start: { version: story.version, value: textAt(memory, story.version) },
      newest: null,
      count: 0,
      earlier: memory,
    }
    expect(newestChange(begun)).toEqual(story.changes.at(-1))
  })
})

describe('a block made to look further back', () => {
  const gaps = fc.array(fc.constantFrom(0, 0, 1), { minLength: 130, maxLength: 300 })

  it('tells all of its past from there on, and goes on remembering', () => {
    fc.assert(
      fc.property(gaps, fc.nat(), fc.nat(), fc.nat(150), (all, from, to, more) => {
        const whole = told(1, 'a', [...all, ...Array(more).fill(0)])
        const atThatTime = whole.changes[all.length - 1]?.version as number
        const known = { ...whole, changes: whole.changes.slice(0, all.length), version: atThatTime }
        const memory = remembered(known)
        const start = oldest(memory, known)
        fc.pre(start > 1)
        const back = 1 + (from % (start - 1))
        const upTo = start + (to % (known.version - start + 1))
        const looked = lookFurtherBack(memory, past(known, back, upTo))
        expect(oldest(looked, known)).toBe(back)
        expect(reaches(looked, back - 1)).toBe(false)
        expectTold(looked, known)
        const later = remembered({ ...whole, changes: whole.changes.slice(all.length) }, looked)
        expectTold(later, whole)
        expect(changesSince(later, 0).length).toBeGreaterThanOrEqual(
          Math.min(whole.changes.length, REMEMBERED_MIN),
        )
      }),
      { numRuns: 15 },
    )
  })

  it('stays as it is when the past does not meet what it knows, or adds nothing', () => {
    const story = told(1, 'a', Array(3 * REMEMBERED_MIN).fill(0))
    const memory = remembered(story)
    const start = oldest(memory, story)
    expect(lookFurtherBack(memory, past(story, 1, start - 1))).toBe(memory)
    expect(lookFurtherBack(memory, past(story, start))).toBe(memory)
    expect(lookFurtherBack(memory, past(story, start + 1))).toBe(memory)
    expect(lookFurtherBack(memory, past(story, 1, start))).not.toBe(memory)
    expect(lookFurtherBack(memory, past(story, start - 1))).not.toBe(memory)
  })
})
