import { describe, expect, it } from '@jest/globals'
import {
  insertion,
  LONG,
  NotesRoom,
  replacement,
  rewriting,
} from '../../test/support/notes-room.js'

describe('an edit that was applied', () => {
  it('says where, and the model then knows the block', async () => {
    const room = new NotesRoom('a\nb')
    expect(await room.told('memory_insert', { new_string: 'c' })).toEqual({
      status: 'success',
      result: 'applied memory_insert block=notes version=4: 1 line added at the end (line 3).',
      block: { block_id: room.id, version: 4, changed: true },
      seen: { [room.id]: 4 },
    })
    const { result } = await room.told('memory_insert', { new_string: 'x\ny', insert_line: 0 }, 4)
    expect(result).toBe('applied memory_insert block=notes version=5: 2 lines added as line 1.')
  })

  it('quotes what others did since it looked, and that counts as having told everything', async () => {
    const room = new NotesRoom('Letta\nHQ: unknown')
    room.theirs(replacement('HQ: unknown', 'HQ: San Francisco'))
    expect(await room.told('memory_insert', { new_string: 'mine' })).toMatchObject({
      result: [
        'applied memory_insert block=notes version=5: 1 line added at the end (line 3).',
        'You had seen v3. Since then: v4 agent2 replaced line 2: "HQ: unknown" -> "HQ: San Francisco".',
      ].join('\n'),
      seen: { [room.id]: 5 },
    })
  })

  it('shows the text instead, where a quote had to be cut', async () => {
    const room = new NotesRoom('a')
    room.theirs(insertion('long '.repeat(100)))
    const { result, seen } = await room.told('memory_insert', { new_string: 'mine' })
    expect(result).toContain(`--- current text (v5) ---\na\n${'long '.repeat(100)}\nmine`)
    expect(seen).toEqual({ [room.id]: 5 })
  })

  it('does not count as told, where neither quotes nor text have room', async () => {
    const room = new NotesRoom(LONG)
    room.theirs(insertion('long '.repeat(100)))
    const { result, seen } = await room.told('memory_insert', { new_string: 'mine' })
    expect(result).toContain('v4 agent2 added line 401: "long')
    expect(result).not.toContain('current text')
    expect(seen).toBeUndefined()
    expect((await room.told('memory_insert', { new_string: 'mine' }, null)).seen).toBeUndefined()
  })

  it('says how many places a replace changed', async () => {
    const room = new NotesRoom('a\nb\na')
    const one = await room.told('memory_replace', { old_string: 'b', new_string: 'c' })
    expect(one.result).toContain('replaced in line 2.')
    const all = await room.told('core_memory_replace', { old_content: 'a', new_content: 'c' }, 4)
    expect(all.result).toContain('replaced in 2 places, the first in line 1.')
  })

  it('at the end, because its line is gone: by whom, and what to do if the place matters', async () => {
    const room = new NotesRoom('one\ntwo\nthree')
    room.theirs(rewriting('all new'))
    expect(
      (await room.told('memory_insert', { new_string: 'mine\nagain', insert_line: 2 })).result,
    ).toBe(
      [
        'applied memory_insert block=notes version=5: 2 lines added at the end, because the line you counted from (2) was rewritten at v4 by agent2.',
        'You had seen v3. Since then: v4 agent2 rewrote the block: replaced line 1: "one\\ntwo\\nthree" -> "all new".',
        'Next: read the block below and move the lines with memory_replace if the place matters.',
        '--- current text (v5) ---',
        'all new\nmine\nagain',
      ].join('\n'),
    )
  })

  it('after its line, wherever that stands now', async () => {
    const room = new NotesRoom('one\ntwo')
    room.theirs(insertion('zero', 0))
    const { result } = await room.told('memory_insert', { new_string: 'mine', insert_line: 1 })
    expect(result).toContain('1 line added as line 3, after the line you counted as 1.')
    expect(room.value).toBe('zero\none\nmine\ntwo')
  })

  it('tracked: the words it saw, although they stand elsewhere too by now', async () => {
    const room = new NotesRoom('status: open')
    room.theirs(insertion('status: open'))
    const { result } = await room.told('memory_replace', { old_string: 'open', new_string: 'done' })
    expect(result).toContain('replaced in line 1 (matched: tracked).')
    expect(room.value).toBe('status: done\nstatus: open')
  })

  it('relocated: who took away what it saw, and how to put the words back', async () => {
    const room = new NotesRoom('first: HQ\nend')
    room.theirs(replacement('first: HQ', 'first'))
    room.theirs(insertion('second: HQ'))
    const { result } = await room.told('memory_replace', {
      old_string: 'HQ',
      new_string: 'Oakland',
    })
    expect(result.split('\n')[0]).toBe(
      'applied memory_replace block=notes version=6: replaced in line 3 (matched: relocated). What you saw was removed at v4 by agent2; the same words stood once more, in line 3, and were changed there.',
    )
    expect(result).toMatch(
      /^Next: if line 3 was the wrong place, put its old words back with memory_replace\.$/m,
    )
  })

  it('unchanged: the text already is so, or somebody already made exactly this change', async () => {
    const room = new NotesRoom('HQ: unknown')
    expect(await room.told('memory_rethink', { new_memory: 'HQ: unknown' })).toMatchObject({
      result:
        'unchanged memory_rethink block=notes version=3: it already is as you want it. Nothing left to do.',
      block: { version: 3, changed: false },
    })
    room.theirs(replacement('unknown', 'Oakland'))
    const { result } = await room.told('memory_replace', {
      old_string: 'unknown',
      new_string: 'Oakland',
    })
    expect(result.split('\n')[0]).toBe(
      'unchanged memory_replace block=notes version=4: v4 by agent2 already made exactly this change. Nothing left to do.',
    )
  })
})

describe('a rewrite', () => {
  it('quotes what it overwrote unseen, says that it is kept, and how it comes back', async () => {
    const room = new NotesRoom('start')
    room.theirs(insertion('Agent2: founded as MemGPT'))
    room.theirs(replacement('start', 'begin'))
    expect(await room.told('memory_rethink', { new_memory: 'mine' })).toMatchObject({
      result: [
        'applied memory_rethink block=notes version=6: your text is now the whole block.',
        'Your text replaced 2 changes you had not seen (you knew v3): v4 agent2 added line 2: "Agent2: founded as MemGPT"; v5 agent2 replaced line 1: "start" -> "begin". The history keeps them.',
        'Next: put back what should stay with memory_insert, or ask an operator to restore v5.',
      ].join('\n'),
      seen: { [room.id]: 6 },
    })
  })

  it('outside a turn names the version it replaced', async () => {
    const room = new NotesRoom('a')
    const { result } = await room.told('memory_rethink', { new_memory: 'mine' }, null)
    expect(result).toContain('It replaced v3, which the history keeps.')
  })

  it('keeps unseen lines, where the policy is preserve, and shows them', async () => {
    const room = new NotesRoom('a', { policies: { rethink: 'preserve' } })
    room.theirs(insertion('theirs'))
    expect((await room.told('memory_rethink', { new_memory: 'mine' })).result).toBe(
      [
        'applied memory_rethink block=notes version=5: your text is now the whole block (policy preserve).',
        'Added by others while you wrote, and kept at the end of your text: v4 agent2 added line 2: "theirs".',
        'Next: read the text below before you edit the block again.',
        '--- current text (v5) ---',
        'mine\ntheirs',
      ].join('\n'),
    )
  })

  it('is merged, where the policy is merge, and shows what came of it', async () => {
    const room = new NotesRoom('one\ntwo\nthree', { policies: { rethink: 'merge' } })
    room.theirs(replacement('three', 'THREE'))
    const { result, seen } = await room.told('memory_rethink', { new_memory: 'ONE\ntwo\nthree' })
    expect(result).toContain('your text and theirs were merged, line by line (policy merge).')
    expect(result).toContain('--- current text (v5) ---\nONE\ntwo\nTHREE')
    expect(seen).toEqual({ [room.id]: 5 })
  })

  it('is refused with what changed, where the policy is guard, and succeeds when it has told it', async () => {
    const room = new NotesRoom('Refunds within 14 days', { policies: { rethink: 'guard' } })
    room.theirs(replacement('14', '30'))
    const refused = await room.told('memory_rethink', { new_memory: 'mine' })
    expect(refused).toMatchObject({
      status: 'error',
      code: 'stale_base',
      result: [
        "rejected stale_base block=notes version=4 (you had seen v3). Nothing was changed. The block's policy is guard.",
        'Block notes was not rewritten, because it changed since version 3 in ways its writer had not seen.',
        'You had seen v3. Since then: v4 agent2 replaced line 1: "14" -> "30".',
        'Next: apply your change to the text below and call memory_rethink again; your next answer will be judged against v4.',
        '--- current text (v4) ---',
        'Refunds within 30 days',
      ].join('\n'),
      seen: { [room.id]: 4 },
    })
    expect((await room.told('memory_rethink', { new_memory: 'mine' }, 4)).status).toBe('success')
  })

  it('of a text too long to show is sent to the smaller tools, unless every change was quoted', async () => {
    const room = new NotesRoom(LONG, { policies: { rethink: 'guard' } })
    room.theirs(insertion('short'))
    const short = await room.told('memory_rethink', { new_memory: 'mine' })
    expect(short.result).toContain('Next: work the changes named above into your text')
    expect(short.seen).toEqual({ [room.id]: 4 })
    room.theirs(insertion('long '.repeat(100)))
    const long = await room.told('memory_rethink', { new_memory: 'mine' })
    expect(long.result).toContain(
      'Next: make your change with memory_insert or memory_replace instead',
    )
    expect(long.seen).toBeUndefined()
  })

  it('that conflicts line by line names both sides', async () => {
    const room = new NotesRoom('one\ntwo', { policies: { rethink: 'merge' } })
    room.theirs(replacement('two', 'TWO'))
    const { code, result } = await room.told('memory_rethink', { new_memory: 'one\nzwei' })
    expect(code).toBe('rethink_conflict')
    expect(result).toContain('Line 2 as you had seen it: "two"; yours: "zwei"; now: "TWO".')
    expect(result).toContain('Next: write the text below anew with your change in it')
  })

  it('without a base is refused, where the policy asks for one, and told the text', async () => {
    const room = new NotesRoom('a', { policies: { rethink: 'guard' } })
    const { code, result, seen } = await room.told('memory_rethink', { new_memory: 'b' }, null)
    expect(code).toBe('base_version_required')
    expect(result).toContain('--- current text (v3) ---\na')
    expect(seen).toEqual({ [room.id]: 3 })
  })
})
