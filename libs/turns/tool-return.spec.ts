import { describe, expect, it } from '@jest/globals'
import { length } from '#domain/text.js'
import { insertion, NotesRoom } from '../../test/support/notes-room.js'
import { ToolRoom } from '../../test/support/tool-room.js'

describe('a call that makes, names or puts aside a block', () => {
  it('says so, and what the model then knows', async () => {
    const room = new NotesRoom('a')
    const made = await room.told('memory', {
      command: 'create',
      path: '/memories/todo',
      description: 'd',
      file_text: 'milk',
    })
    expect(made).toMatchObject({
      status: 'success',
      result: 'applied memory block=todo version=2: created with 4 characters and attached to you.',
    })
    const [, todo] = room.agent('agent1').blocks
    expect(made.seen).toEqual({ [todo?.id as string]: 2 })
    const renamed = await room.told('memory', {
      command: 'rename',
      old_path: 'notes',
      new_path: 'journal',
    })
    expect(renamed.result).toBe(
      'applied memory block=journal version=4: renamed from notes to journal, for every agent that has it.',
    )
    expect(room.agent('agent2').blocks).toMatchObject([{ label: 'journal' }])
    const described = await room.told(
      'memory',
      { command: 'rename', path: 'journal', description: 'Days.' },
      4,
    )
    expect(described.result).toBe(
      'applied memory block=journal version=5: its description was changed.',
    )
    const gone = await room.told('memory', { command: 'delete', path: 'journal' }, 5)
    expect(gone.result).toBe(
      'applied memory block=journal version=6: detached from you; the block, its text and its history stay.',
    )
    expect(room.agent('agent2').blocks).toHaveLength(1)
  })

  it('under a label in use leaves no block behind', async () => {
    const room = new NotesRoom('a')
    const { result } = await room.told('memory', {
      command: 'create',
      path: 'notes',
      description: 'd',
    })
    expect(result).toMatch(/^rejected label_taken block=notes\. Nothing was changed\.$/m)
    expect(result).toMatch(/^Next: edit the block that has the label, or choose another one\.$/m)
    expect(room.agent('agent1').blocks).toHaveLength(1)
  })
})

describe('a patch of several operations', () => {
  const script = (line: string) =>
    [
      '*** Begin Patch',
      '*** Add Block: todo',
      'Description: Open tasks',
      '+milk',
      '+bread',
      '',
      '*** Update Block: notes',
      '*** Move to: journal',
      '@@',
      '-one',
      '+ONE',
      '*** Update Block: todo',
      line,
      '+wine',
      '*** Delete Block: old',
      '*** End Patch',
    ].join('\n')

  it('is one commit, and names each with its block and version', async () => {
    const room = new NotesRoom('one')
    const old = room.block('x', { label: 'old' })
    room.theirs(insertion('theirs'))
    const returned = await room.call(
      'memory_apply_patch',
      { label: 'notes', patch: script('-bread') },
      { seen: { [room.id]: 3, [old]: 3 } },
    )
    expect(returned.returned.result).toBe(
      [
        'applied memory_apply_patch: 5 operations, in one commit.',
        '1. block=todo version=3: created with 10 characters and attached to you.',
        '2. block=journal version=6: renamed from notes to journal, for every agent that has it.',
        '3. block=journal version=6: patched in line 1.',
        '4. block=todo version=3: patched in line 2.',
        '5. block=old version=4: detached from you; the block, its text and its history stay.',
        'You had seen v3 of journal. Since then: v4 agent2 added line 2: "theirs".',
      ].join('\n'),
    )
    expect(returned.returned.blocks).toHaveLength(3)
    expect(returned.returned.seen).toMatchObject({ [room.id]: 6 })
    const blocks = room.agent('agent1').blocks.map((block) => room.state(block.id))
    expect(blocks.map(({ value }) => value)).toEqual(['ONE\ntheirs', 'milk\nwine'])
    expect(blocks[1]?.settings.description).toBe('Open tasks')
  })

  it('that fails in one leaves every block as it was, and says which', async () => {
    const room = new NotesRoom('one')
    room.block('x', { label: 'old' })
    const { appends, returned } = await room.call(
      'memory_apply_patch',
      { label: 'notes', patch: script('-beer') },
      { seen: { [room.id]: 3 } },
    )
    expect(appends).toEqual([])
    expect(room.state(room.id)).toMatchObject({ value: 'one', version: 3 })
    expect(returned.code).toBe('replace_no_match')
    expect(returned.result).toMatch(
      /^rejected replace_no_match operation 4 of 5, block=todo\. Nothing was changed, in any block\.$/m,
    )
    expect(room.agent('agent1').blocks.map(({ label }) => label)).toEqual(['notes', 'old'])
  })
})

it('no text, name or label makes a return longer than its bound', async () => {
  const long = 'x'.repeat(50_000)
  const room = new ToolRoom(['agent1', long])
  const id = room.block('same\n'.repeat(2_000), {}, ['agent1', long])
  for (let i = 0; i < 30; i++) room.edit(id, insertion(`${i}`), long)
  for (const [tool, args] of [
    ['memory_insert', { new_string: 'b', insert_line: 1_000_000 }],
    ['memory_replace', { old_string: long, new_string: 'b' }],
    ['memory_replace', { old_string: 'same', new_string: 'b' }],
    ['memory_insert', { new_string: 'b' }],
    ['memory_rethink', { new_memory: long + long + long }],
    ['memory_rethink', { new_memory: 'b' }],
  ] as const) {
    const call = await room.call(tool, { label: 'notes', ...args }, { seen: { [id]: 3 } })
    const { result } = call.returned
    const [words, text = ''] = result.split('\n--- current text')
    expect(length(words as string)).toBeLessThanOrEqual(1_200)
    expect(length(text)).toBeLessThanOrEqual(4_200)
  }
})
