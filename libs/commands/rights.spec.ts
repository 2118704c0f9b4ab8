import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { BlockCommand, Right } from '#domain/block-events.js'
import { type BlockStory, openBlockStory } from '../../test/support/block-story.js'
import type { BlockChange, BlockEdit } from './block-change.js'
import { judgeEdits } from './run-tool-step.js'

let story: BlockStory

beforeAll(async () => {
  story = await openBlockStory()
})
afterAll(() => story.close())

const TEXT = 'one\ntwo'
const AFTER = 'one\ntwo\nthree'

/** Everything that changes a block's text or settings, and the right it takes. Version 2 added the third line. */
const COMMANDS: readonly (readonly [name: string, needs: 'insert' | 'edit', BlockCommand])[] = [
  ['insert', 'insert', { type: 'InsertText', text: 'x', place: { at: 'end' }, numbered: true }],
  [
    'insert after a line',
    'insert',
    { type: 'InsertText', text: 'x', place: { at: 'after', anchor: 'two' }, numbered: true },
  ],
  ['replace', 'edit', { type: 'ReplaceText', old: 'two', new: '2', all: false, numbered: true }],
  ['replace all', 'edit', { type: 'ReplaceText', old: 'o', new: '0', all: true, numbered: false }],
  ['patch of text', 'edit', { type: 'PatchText', patch: '-two\n+2' }],
  ['rethink', 'edit', { type: 'RethinkBlock', text: 'new', numbered: true }],
  ['undo', 'edit', { type: 'RevertEdit', version: 2 }],
  ['restore', 'edit', { type: 'RestoreBlock', version: 1, text: TEXT }],
  ['PATCH of the value', 'edit', { type: 'PatchBlock', value: 'new', settings: {} }],
  ['PATCH of the label', 'edit', { type: 'PatchBlock', settings: { label: 'other' } }],
  [
    'PATCH of a policy',
    'edit',
    { type: 'PatchBlock', settings: { policies: { rethink: 'guard' } } },
  ],
  ['PATCH of read_only', 'edit', { type: 'PatchBlock', settings: { read_only: true } }],
]

const RIGHTS: readonly (Right | 'none')[] = ['none', 'read', 'insert', 'edit']

/** The ways a command comes to the writer. */
const PATHS = ['alone', 'in a batch', 'in a batch, behind one that may'] as const

function allowed(right: Right | 'none', needs: 'insert' | 'edit'): boolean {
  return right === 'edit' || right === needs
}

const ROWS = RIGHTS.flatMap((right) =>
  COMMANDS.flatMap(([name, needs, command]) =>
    PATHS.map((path) => [right, name, path, needs, command] as const),
  ),
)

async function blockAndAgent(right: Right | 'none') {
  const blockId = await story.block('notes', TEXT)
  await story.change(blockId, {
    type: 'InsertText',
    text: 'three',
    place: { at: 'end' },
    numbered: true,
  })
  const agentId = await story.agent('agent1')
  if (right !== 'none') await story.changeAgent(agentId, { type: 'AttachBlock', blockId, right })
  return { blockId, actor: { kind: 'agent', id: agentId, name: 'agent1' } as const }
}

describe('an agent with the right to', () => {
  it.each(ROWS)('%s: %s %s', async (right, _name, path, needs, command) => {
    const { blockId, actor } = await blockAndAgent(right)
    const before = await story.state(blockId)
    const edits: BlockEdit[] = [{ blockId, change: command }]
    if (path === 'in a batch, behind one that may') {
      const own = await blockAndAgent('none')
      await story.changeAgent(actor.id, {
        type: 'AttachBlock',
        blockId: (await story.change(own.blockId, rename(own.blockId))).block_id,
        right: 'edit',
      })
      edits.unshift({ blockId: own.blockId, change: COMMANDS[0]?.[2] as BlockChange })
    }
    const outcome =
      path === 'alone'
        ? await story.attempt(blockId, command, { actor })
        : await story.attemptAll(edits, { actor })
    const after = await story.state(blockId)
    if (allowed(right, needs)) {
      expect(outcome).toMatchObject({ ok: true })
      expect(after.version).toBe(before.version + 1)
      return
    }
    const code = right === 'none' ? 'agent_not_attached' : 'right_missing'
    expect(outcome).toMatchObject({ ok: false, rejection: { code } })
    expect(after).toEqual(before)
    expect(after.value).toBe(AFTER)
  })

  it.each(RIGHTS)('%s is judged the same in a tool call', async (right) => {
    const { blockId, actor } = await blockAndAgent(right)
    const block = await story.state(blockId)
    const states = { has: () => true, block: () => block, agent: nobody, turn: nobody }
    for (const [, needs, change] of COMMANDS) {
      if (change.type === 'PatchBlock') continue
      const judged = judgeEdits(states, [{ blockId, change }], { actor, now: block.createdAt })
      const [judgement] = 'judgements' in judged ? judged.judgements : []
      expect(judgement?.verdict.ok).toBe(allowed(right, needs))
    }
  })

  it('less than before is bound by it at once, and with more may do more', async () => {
    const { blockId, actor } = await blockAndAgent('edit')
    const rethink: BlockCommand = { type: 'RethinkBlock', text: 'new', numbered: true }
    for (const [right, ok] of [
      ['insert', false],
      ['read', false],
      ['edit', true],
    ] as const) {
      await story.changeAgent(actor.id, { type: 'AttachBlock', blockId, right })
      expect((await story.attempt(blockId, rethink, { actor })).ok).toBe(ok)
    }
    await story.changeAgent(actor.id, { type: 'AttachBlock', blockId, right: null })
    expect((await story.state(blockId)).attached).toEqual({ [actor.id]: 'edit' })
  })
})

function nobody(): never {
  throw new Error('only the block is asked')
}

function rename(id: string): BlockChange {
  return { type: 'PatchBlock', settings: { label: `other-${id}` } }
}
