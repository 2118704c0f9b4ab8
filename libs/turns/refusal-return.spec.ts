import { describe, expect, it } from '@jest/globals'
import {
  insertion,
  LONG,
  NotesRoom,
  replacement,
  rewriting,
} from '../../test/support/notes-room.js'

describe('a refusal', () => {
  it('of a replace without a match: the sentence, who changed it, the nearest line, the text', async () => {
    const room = new NotesRoom('Letta\nHQ: SF')
    room.theirs(replacement('HQ: SF', 'HQ: San Francisco'))
    const edit = { old_string: 'HQ: SF', new_string: 'HQ: Oakland' }
    expect(await room.told('memory_replace', edit)).toEqual({
      status: 'error',
      code: 'replace_no_match',
      result: [
        'rejected replace_no_match block=notes version=4 (you had seen v3). Nothing was changed.',
        'No replacement was performed, old_string `HQ: SF` did not appear verbatim in memory block with label `notes`.',
        'Nearest now is line 2 (80 % alike): "HQ: San Francisco".',
        'You had seen v3. Since then: v4 agent2 replaced line 2: "HQ: SF" -> "HQ: San Francisco".',
        'Next: repeat memory_replace with old_string copied exactly from the text below, or stop if it already says what you want.',
        '--- current text (v4) ---',
        'Letta\nHQ: San Francisco',
      ].join('\n'),
      block: { block_id: room.id, version: 4, changed: false },
      seen: { [room.id]: 4 },
    })
  })

  it('of an ambiguous replace shows each place in its line', async () => {
    const room = new NotesRoom('task A: open\ntask B: open')
    const { result } = await room.told('memory_replace', { old_string: 'open', new_string: 'done' })
    expect(result).toContain(
      'No replacement was performed. Multiple occurrences of old_string `open` in lines [1, 2]. Please ensure it is unique.',
    )
    expect(result).toContain('  line 1: "task A: open"\n  line 2: "task B: open"')
    expect(result).toMatch(/^Next: repeat memory_replace with a longer old_string, copied/m)
  })

  it('by strict words: they must stand where the model saw them', async () => {
    const room = new NotesRoom('HQ\nend', { policies: { replace: 'strict' } })
    room.theirs(replacement('HQ', 'gone'))
    room.theirs(insertion('HQ'))
    const { code, result } = await room.told('memory_replace', {
      old_string: 'HQ',
      new_string: 'x',
    })
    expect(code).toBe('stale_base')
    expect(result).toContain("The block's policy is strict.")
    expect(result).toContain('Next: repeat memory_replace with old_string copied exactly')
  })

  it('of an insert whose line is gone, where the policy is to refuse', async () => {
    const room = new NotesRoom('one\ntwo', { policies: { anchor_lost: 'reject' } })
    room.theirs(rewriting('new'))
    const { code, result } = await room.told('memory_insert', { new_string: 'x', insert_line: 2 })
    expect(code).toBe('anchor_lost')
    expect(result).toMatch(
      /^Next: repeat memory_insert with insert_line counted in the text below/m,
    )
    expect(result).toContain('--- current text (v4) ---\nnew')
  })

  it('over the limit: how much room there is', async () => {
    const room = new NotesRoom('a'.repeat(10), { limit: 12 })
    expect((await room.told('memory_insert', { new_string: 'bbb' })).result).toBe(
      [
        'rejected limit_exceeded block=notes version=3. Edit failed: Exceeds 12 character limit (requested 14). Nothing was changed.',
        '2 characters are left, 2 too many.',
        'Next: shorten your text, or first remove something with memory_replace.',
      ].join('\n'),
    )
  })

  it('of a read-only block: not to try again', async () => {
    const room = new NotesRoom('a', { read_only: true })
    expect((await room.told('memory_insert', { new_string: 'b' })).result).toBe(
      'rejected block_read_only block=notes. Error This block is read-only and cannot be edited. Nothing was changed.\nNext: do not try again; tell the user what you would have changed.',
    )
  })

  it.each([
    [
      { new_string: 'c', insert_line: 3 },
      'memory_insert',
      'line_out_of_range',
      'Invalid `insert_line` parameter: 3. It should be within the range of lines of the memory block: [0, 2]',
    ],
    [
      { new_string: '1→ b' },
      'memory_insert',
      'line_number_prefix',
      'contains a line number prefix',
    ],
    [
      { old_content: 'zz', new_content: 'b' },
      'core_memory_replace',
      'replace_no_match',
      "Old content 'zz' not found in memory block 'notes'",
    ],
    [
      { patch: '-zz\n+b' },
      'memory_apply_patch',
      'replace_no_match',
      'expected hunk context not found',
    ],
    [
      { label: 'zz', new_string: 'b' },
      'memory_insert',
      'block_not_found',
      'Block field zz does not exist (available sections = notes)',
    ],
    [{ new_string: 7 }, 'memory_insert', 'invalid_argument', 'new_string'],
  ] as const)(
    '%j of %s begins with %s, in the words agents know',
    async (args, tool, code, sentence) => {
      const room = new NotesRoom('a\nb')
      const returned = await room.told(tool, args)
      expect(returned).toMatchObject({ status: 'error', code })
      expect(returned.result).toMatch(new RegExp(`^rejected ${code}\\b.*Nothing was changed`, 's'))
      expect(returned.result).toContain(sentence)
      expect(returned.result.match(/^Next: /gm)).toHaveLength(1)
    },
  )

  it('of a long text shows the lines around the place, with numbers that may not be copied', async () => {
    const room = new NotesRoom(LONG)
    const edit = { old_string: 'line number 200 of any', new_string: 'x' }
    const { result, seen } = await room.told('memory_replace', edit, null)
    expect(result).toContain('\n[lines 1 to ')
    expect(result).toContain('\n200→ line number 200 of many\n201→ ')
    expect(result).toMatch(/\n\[lines \d+ to 400 left out\]$/)
    expect(seen).toBeUndefined()
    const copied = { old_string: '200→ line number 200 of many', new_string: 'x' }
    expect(await room.told('memory_replace', copied)).toMatchObject({ code: 'line_number_prefix' })
  })
})
