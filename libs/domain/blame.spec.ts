import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  type History,
  histories,
  insert,
  type Recording,
  replace,
  rethink,
  told,
  undo,
} from '../../test/support/told-history.js'
import {
  type Blame,
  type BlamedEdit,
  type BlameSpan,
  blameAll,
  broughtBack,
  NO_BLAME,
  reaching,
  spansAt,
} from './blame.js'
import { slice } from './text.js'
import { wordDifference } from './word-diff.js'

function blamed({ events, texts }: History): BlamedEdit[] {
  return events.map((event) => {
    const { version, type, payload } = event
    const back = broughtBack(event)
    if (!back || back.aligned || back.source.from === 'removed') {
      return { version, type, effect: payload.effect, source: back?.source ?? null }
    }
    const [then, now] = [texts[back.source.version], texts[version]] as [string, string]
    const alignment = wordDifference(then, now)
    return { version, type, effect: payload.effect, source: { ...back.source, alignment } }
  })
}

function blameOf(history: History): Blame {
  return blameAll(NO_BLAME, blamed(history), history.events.length) as Blame
}

function spansOf(history: History, version = history.events.length): BlameSpan[] {
  return spansAt(blameOf(history), version) as BlameSpan[]
}

/** What the spans say, in words: `text@version`. */
function words(history: History, version = history.events.length): string[] {
  const value = history.texts[version] as string
  return spansOf(history, version).map(
    (span) =>
      `${slice(value, span.start, span.end)}@${span.version}` +
      (span.restoredBy === null ? '' : ` back ${span.restoredBy}`) +
      (span.touchedBy === null ? '' : ` touched ${span.touchedBy}`),
  )
}

/** Since which event each character stands there, at every version: told one by one, without any tree. */
function naive({ events }: History): number[][] {
  const at: number[][] = [[]]
  for (const { version, payload } of events) {
    const since = [...(at.at(-1) as number[])]
    for (const { offset, delete: count, insert: added } of payload.effect) {
      since.splice(offset, count, ...Array.from(added, () => version))
    }
    at.push(since)
  }
  return at
}

describe('blame', () => {
  it('concatenates to the text at every version, and each of its characters was written by its own event', () => {
    fc.assert(
      fc.property(histories, (history) => {
        for (const [version, value] of history.texts.entries()) {
          const spans = spansOf(history, version)
          const pieces = spans.map(({ start, end }) => slice(value, start, end))
          expect(pieces.join('')).toBe(value)
          for (const [i, span] of spans.entries()) {
            expect(span.start).toBe(spans[i - 1]?.end ?? 0)
            expect(span.end).toBeGreaterThan(span.start)
            const { effect } = (history.events[span.version - 1] as Recording).payload
            const written = effect.map((splice) => splice.insert)
            for (const point of new Set(pieces[i])) expect(written.join('')).toContain(point)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('says of every character since when it stands there, as the events do one by one', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const expected = naive(history)
        for (const version of history.texts.keys()) {
          const told = spansOf(history, version).flatMap((span) =>
            Array.from({ length: span.end - span.start }, () => span.restoredBy ?? span.version),
          )
          expect(told).toEqual(expected[version])
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is the same folded event by event, from a shorter memory, or all at once', () => {
    fc.assert(
      fc.property(histories, fc.nat(20), (history, kept) => {
        const whole = blameOf(history)
        let blame: Blame = NO_BLAME
        for (const edit of blamed(history)) {
          const next = blameAll(blame, [edit], edit.version)
          if (next === null) return
          blame = reaching(next, edit.version - kept)
        }
        const { version } = whole
        expect(spansAt(blame, version)).toEqual(spansAt(whole, version))
        const reached = spansAt(blame, version - kept)
        expect(reached).toEqual(spansAt(whole, version - kept))
      }),
      { numRuns: 200 },
    )
  })

  it('of an insert, a replace or an undo that is undone at once is what it was before it', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const owners = (told: History, version: number): number[] =>
          spansOf(told, version).flatMap((span) =>
            Array.from({ length: span.end - span.start }, () => span.version),
          )
        const { length: head } = history.events
        const last = (history.events[head - 1] as Recording).type
        if (head === 1 || last === 'BlockRethought' || last === 'BlockRestored') return
        const undone = told(history.value, [...history.commands, undo(head)])
        if (undone.events.length === head) return
        expect(undone.texts.at(-1)).toBe(history.texts[head - 1])
        expect(owners(undone, head + 1)).toEqual(owners(history, head - 1))
      }),
      { numRuns: 200 },
    )
  })

  it('of a replace changes the owner of the replaced range alone', () => {
    const history = told('one two three', [insert('four'), replace('two', '2')])
    expect(words(history)).toEqual(['one @1', '2@3', ' three@1', '\nfour@2'])
  })

  it('of a rethink leaves the words that stay with whoever wrote them, and says who went over them', () => {
    const history = told('one two', [insert('three'), rethink('one 2\nthree')])
    expect(words(history)).toEqual(['one @1 touched 3', '2@3', '\nthree@2 touched 3'])
    expect(words(history, 2)).toEqual(['one two@1', '\nthree@2'])
  })

  it('of an undo gives the words back to whoever wrote them', () => {
    const deleted = told('one two three', [replace('two ', ''), insert('x'), undo(2)])
    expect(words(deleted)).toEqual(['one @1', 'two @1 back 4', 'three@1', '\nx@3'])
    const places = told('a-b-c', [insert('d'), replace('-', '+', true), undo(3)])
    expect(words(places)).toEqual(['a@1', '-@1 back 4', 'b@1', '-@1 back 4', 'c@1', '\nd@2'])
  })

  it('of an undo of a rethink gives the words back, also beside what came later', () => {
    const history = told('one two', [rethink('1\n2\n3'), undo(2)])
    expect(words(history)).toEqual(['one two@1 back 3'])
    const later = told('a\nb\nc\nd', [rethink('A\nb\nc\nd'), insert('e', 3), undo(2)])
    expect(words(later)).toEqual(['a@1 back 4', '\nb\nc@1 touched 2', '\ne@3', '\nd@1 touched 2'])
  })

  it('of an undo of an undo gives the words to the first writer again', () => {
    const history = told('a', [insert('b'), undo(2), undo(3)])
    expect(words(history)).toEqual(['a@1', '\nb@2 back 4'])
  })

  it('of a restore gives the words back as they belonged then', () => {
    const history = told('a one', [
      replace('one', 'two'),
      rethink('all new'),
      () => ({ type: 'RestoreBlock', version: 2, text: 'a two' }),
    ])
    expect(words(history, 2)).toEqual(['a @1', 'two@2'])
    expect(words(history)).toEqual(['a@1 back 4', ' @1 touched 4', 'two@2 back 4'])
  })

  it('of an undo of an edit whose places overlap gives back each of the words it took', () => {
    const patched: BlamedEdit = {
      ...{ version: 3, type: 'TextReplaced', source: null },
      effect: [
        { offset: 4, delete: 3, insert: 'X' },
        { offset: 0, delete: 2, insert: '' },
        { offset: 2, delete: 2, insert: 'YY' },
      ],
    }
    const before = [edit(1, 'BlockCreated', 0, 0, 'abcdefgh'), edit(2, 'TextInserted', 5, 0, '12')]
    // abcde12fgh, abcdXfgh, cdXfgh, cdYYgh.
    const undone: BlamedEdit = {
      ...{ version: 4, type: 'EditReverted', source: removedBy(3) },
      effect: [
        { offset: 0, delete: 0, insert: 'ab' },
        { offset: 4, delete: 2, insert: 'e12f' },
      ],
    }
    const blame = blameAll(NO_BLAME, [...before, patched, undone], 4) as Blame
    const told = spansAt(blame, 4)?.map((span) => [span.end, span.version, span.restoredBy])
    expect(told).toEqual([
      [2, 1, 4],
      [4, 1, null],
      [5, 1, 4],
      [7, 2, 4],
      [8, 1, 4],
      [10, 1, null],
    ])
  })

  it('leaves to the restore what it brings back from too far away', () => {
    const edits: BlamedEdit[] = [
      edit(1, 'BlockCreated', 0, 0, 'old'),
      edit(2, 'BlockRethought', 0, 3, 'new'),
    ]
    const back = (version: number): BlamedEdit => ({
      ...edit(version, 'BlockRestored', 0, 3, 'old'),
      source: { from: 'text', version: 1, alignment: [] },
    })
    const near = blameAll(NO_BLAME, [...edits, back(10_000)], 10_000) as Blame
    expect(spansAt(near, 10_000)).toMatchObject([{ version: 1, restoredBy: 10_000 }])
    const far = blameAll(NO_BLAME, [...edits, back(10_001)], 10_001) as Blame
    expect(spansAt(far, 10_001)).toMatchObject([{ version: 10_001, restoredBy: null }])
  })

  it('says when its memory is too short for an edit that goes back', () => {
    const before = blameOf(told('one two', [replace('two', '2'), insert('x'), insert('y')]))
    const undone = { ...edit(5, 'EditReverted', 4, 1, 'two'), source: removedBy(2) }
    expect(blameAll(reaching(before, 2), [undone], 5)).toBeNull()
    expect(blameAll(reaching(before, 1), [undone], 5)).not.toBeNull()
    expect(spansAt(reaching(before, 3), 2)).toBeNull()
  })
})

function removedBy(version: number) {
  return { from: 'removed', version } as const
}

function edit(
  version: number,
  type: string,
  offset: number,
  count: number,
  added: string,
): BlamedEdit {
  return { version, type, effect: [{ offset, delete: count, insert: added }], source: null }
}
