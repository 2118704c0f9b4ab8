import { describe, expect, it } from '@jest/globals'
import type { Actor } from '#domain/actor.js'
import { createBlock, decideBlock } from '#domain/block.js'
import type { BlockCommand, BlockDecision, Writer } from '#domain/block-events.js'
import { type BlockState, initialBlock } from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import type { Decided } from '#domain/event.js'

const now = '2026-01-02T03:04:05.678Z'
const other: Actor = { kind: 'user', id: 'other' }
const START = 'one\ntwo\nthree'

const append = insert('four', 'end')
const atLine = insert('between', 2)
const replaceTwo: BlockCommand = {
  type: 'ReplaceText',
  old: 'two',
  new: 'TWO',
  all: false,
  numbered: true,
}
const rewrite = rethink('new')

/** What the writer of each row finds when it comes to commit. */
const BEFORE: Readonly<Record<string, BlockCommand | null>> = {
  nothing: null,
  'an insert': insert('meanwhile', 'end'),
  'an insert above': insert('meanwhile', 0),
  'an insert of the same words': insert('two', 'end'),
  'a replace of other words': { ...replaceTwo, old: 'one', new: 'ONE' },
  'a replace of the same words': { ...replaceTwo, new: 'zwei' },
  'the very same replace': replaceTwo,
  'a replace that keeps the words': { ...replaceTwo, new: 'two and a half' },
  'a rethink': rethink('all\nnew'),
  'a rethink to one line': rethink('all new'),
  'a rethink that keeps the words': rethink('now two'),
}

const CELLS: readonly [row: string, before: string, comesTo: string, mine: BlockCommand][] = [
  ['insert at the end', 'nothing', 'one\ntwo\nthree\nfour', append],
  ['insert at the end', 'an insert', 'one\ntwo\nthree\nmeanwhile\nfour', append],
  ['insert at the end', 'a replace of other words', 'ONE\ntwo\nthree\nfour', append],
  ['insert at the end', 'a replace of the same words', 'one\nzwei\nthree\nfour', append],
  ['insert at the end', 'a rethink', 'all\nnew\nfour', append],
  ['insert after line 2', 'nothing', 'one\ntwo\nbetween\nthree', atLine],
  ['insert after line 2', 'an insert', 'one\ntwo\nbetween\nthree\nmeanwhile', atLine],
  ['insert after line 2', 'an insert above', 'meanwhile\none\ntwo\nbetween\nthree', atLine],
  ['insert after line 2', 'a replace of other words', 'ONE\ntwo\nbetween\nthree', atLine],
  ['insert after line 2', 'a replace of the same words', 'one\nzwei\nbetween\nthree', atLine],
  ['insert after line 2', 'a rethink', 'all\nnew\nbetween', atLine],
  ['insert after line 2', 'a rethink to one line', 'all new\nbetween', atLine],
  ['replace', 'nothing', 'one\nTWO\nthree', replaceTwo],
  ['replace', 'an insert', 'one\nTWO\nthree\nmeanwhile', replaceTwo],
  ['replace', 'an insert of the same words', 'one\nTWO\nthree\ntwo', replaceTwo],
  ['replace', 'a replace of other words', 'ONE\nTWO\nthree', replaceTwo],
  ['replace', 'a replace of the same words', 'replace_no_match', replaceTwo],
  ['replace', 'the very same replace', 'one\nTWO\nthree', replaceTwo],
  ['replace', 'a replace that keeps the words', 'one\nTWO and a half\nthree', replaceTwo],
  ['replace', 'a rethink', 'replace_no_match', replaceTwo],
  ['replace', 'a rethink that keeps the words', 'now TWO', replaceTwo],
  ['rethink', 'nothing', 'new', rewrite],
  ['rethink', 'an insert', 'new', rewrite],
  ['rethink', 'a replace of other words', 'new', rewrite],
  ['rethink', 'a replace of the same words', 'new', rewrite],
  ['rethink', 'a rethink', 'new', rewrite],
]

describe('the card of docs/semantics.md', () => {
  it.each(CELLS)('%s after %s comes to %j', (_row, before, comesTo, mine) => {
    const start = carriedOut(
      initialBlock('block-1'),
      createBlock(initialBlock('block-1'), START, { label: 'notes' }),
    )
    const meanwhile = BEFORE[before] ?? null
    const state = meanwhile ? carriedOut(start, decided(start, meanwhile, start.version)) : start
    const judged = decided(state, mine, start.version)
    if (!judged.ok) {
      expect(judged.rejection).toMatchObject({ code: comesTo, atVersion: state.version })
      return
    }
    expect(carriedOut(state, judged).value).toBe(comesTo)
    const [event] = judged.value.events
    const missed = meanwhile ? [state.version] : []
    if (event?.type === 'TextReplaced') expect(event.payload.receipt?.unseen).toEqual(missed)
    if (event?.type === 'BlockRethought') {
      expect(event.payload.receipt?.overwrote.map(({ version }) => version)).toEqual(missed)
    }
  })

  it('is whole: every word, after everything that may have come before', () => {
    const columns = ['nothing', 'an insert', 'a replace of other words', 'a rethink']
    for (const word of ['insert at the end', 'insert after line 2', 'replace', 'rethink']) {
      const tried = CELLS.filter(([row]) => row === word).map(([, before]) => before)
      expect(tried).toEqual(expect.arrayContaining([...columns, 'a replace of the same words']))
    }
  })
})

function insert(text: string, at: 'end' | number): BlockCommand {
  const place = at === 'end' ? ({ at } as const) : ({ at: 'line', line: at } as const)
  return { type: 'InsertText', text, place, numbered: true }
}

function rethink(text: string): BlockCommand {
  return { type: 'RethinkBlock', text, numbered: true }
}

function decided(
  state: BlockState,
  command: BlockCommand,
  baseVersion: number,
): Decided<BlockDecision> {
  const writer: Writer = { actor: other, baseVersion }
  return decideBlock(state, command, writer)
}

function carriedOut(state: BlockState, judged: Decided<BlockDecision>): BlockState {
  if (!judged.ok) throw new Error(judged.rejection.detail)
  return draft(state, judged.value.events, { actor: other, now })
}
