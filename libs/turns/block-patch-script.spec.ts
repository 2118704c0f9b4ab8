import { describe, expect, it } from '@jest/globals'
import { readPatch } from './block-patch-script.js'
import { labelOfPath } from './memory-operation.js'

const patching = (label: string, patch: string) => ({
  do: 'edit',
  label,
  command: { type: 'PatchText', patch },
})
const renaming = (label: string, to: string) => ({
  do: 'edit',
  label,
  command: { type: 'PatchBlock', settings: { label: to } },
})

describe('a patch', () => {
  it('without headers is one edit of the block named beside it, as it is', () => {
    const patch = '@@\n a\n-***\n+*** b\n'
    expect(readPatch('notes', patch)).toEqual({ ok: true, operations: [patching('notes', patch)] })
  })

  it('with headers is several operations in order', () => {
    const patch = `*** Begin Patch
*** Add Block: /memories/team/plan
Description: What we do
+one

+two

*** Update Block: notes
@@
-a
+b

*** Move to: journal
*** Update Block: x
*** Move to: y
-c
*** Delete Block: old
*** End Patch`
    expect(readPatch('unused', patch)).toEqual({
      ok: true,
      operations: [
        { do: 'create', label: 'team/plan', description: 'What we do', value: 'one\n\ntwo' },
        patching('notes', '@@\n-a\n+b'),
        renaming('notes', 'journal'),
        renaming('x', 'y'),
        patching('y', '-c'),
        { do: 'detach', label: 'old' },
      ],
    })
  })

  it.each([
    ['a header nobody knows', '*** Rename Block: a', 'line 1'],
    ['a header without a label', '*** Update Block:', 'line 1'],
    ['text above the first header', '-a\n*** Update Block: b\n+c', 'line 2'],
    ['a new label for nothing', '*** Move to: b', 'line 1'],
    ['a new label for what was put aside', '*** Delete Block: a\n*** Move to: b', 'line 2'],
    ['a new block with a line that is not added', '*** Add Block: a\n+b\n c', 'line 3'],
    ['too many operations', '*** Delete Block: a\n'.repeat(51), '51 operations'],
  ])('with %s is refused, and says where', (_what, patch, where) => {
    const read = readPatch('notes', patch)
    expect(read).toMatchObject({ ok: false, fault: expect.stringContaining(where) })
  })
})

it.each([
  ['/memories/notes', 'notes'],
  ['/notes', 'notes'],
  ['notes', 'notes'],
  ['/memories/team/plan', 'team/plan'],
  ['memories/notes', 'memories/notes'],
  ['//notes', '/notes'],
])('the path %s is the label %s', (path, label) => {
  expect(labelOfPath(path)).toBe(label)
})
