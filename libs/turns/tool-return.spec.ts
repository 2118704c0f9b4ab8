import { describe, expect, it } from '@jest/globals'
import type { BlockJudgement } from '#commands/block-judgement.js'
import { judgeEdits } from '#commands/run-tool-step.js'
import { createBlock, decideBlock } from '#domain/block.js'
import type { BlockCommand, BlockEvent } from '#domain/block-events.js'
import { type BlockState, initialBlock } from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import { length } from '#domain/text.js'
import type { ToolReturn } from '#domain/turn-events.js'
import { readMemoryCall } from './memory-tools.js'
import { blockReturn } from './tool-return.js'

const now = '2026-01-05T09:00:00.000Z'
const agent = (n: number, name = `agent${n}`) =>
  ({ kind: 'agent', id: `agent-${n}`, name }) as const
const RUN = { run_id: 'run-1' }
/** What is told besides the text of the block. */
const WORDS_LENGTH_MAX = 1_200

/** A block that agents 1 and 2 are attached to, at version 3. */
function block(value: string, settings: { limit?: number; read_only?: boolean } = {}): BlockState {
  const empty = initialBlock('block-1')
  const created = createBlock(empty, value, { label: 'notes', ...settings })
  if (!created.ok) throw new Error(created.rejection.detail)
  const attach = [1, 2].map(
    (n): BlockEvent => ({
      type: 'AgentAttached',
      payload: { intent: { agent_id: agent(n).id, right: 'edit' }, effect: [], length: 0 },
    }),
  )
  return draft(empty, [...created.value.events, ...attach], { actor: agent(1), now })
}

const command = (tool: Parameters<typeof readMemoryCall>[0], args: object): BlockCommand => {
  const call = readMemoryCall(tool, { label: 'notes', ...args })
  if (!call.ok) throw new Error(call.fault)
  return call.command
}

/** The block after another agent's edit. */
function edited(state: BlockState, edit: BlockCommand, by = agent(2)): BlockState {
  const decided = decideBlock(state, edit, { actor: by, baseVersion: null })
  if (!decided.ok) throw new Error(decided.rejection.detail)
  return draft(state, decided.value.events, { actor: by, now })
}

/** What agent 1 is told about its call, when it has seen `seen`. */
function told(
  state: BlockState,
  tool: Parameters<typeof readMemoryCall>[0],
  args: object,
  seen: number | null = 3,
): Omit<ToolReturn, 'step' | 'index' | 'tool_call_id'> {
  const edit = { blockId: state.id, change: command(tool, args), baseVersion: seen }
  const states = { has: () => true, block: () => state, agent: missing, turn: missing }
  const judged = judgeEdits(states, [edit], { actor: agent(1), correlation: RUN, now })
  if ('wanted' in judged) throw new Error('the block does not remember enough')
  return blockReturn(tool, judged.judgements[0] as BlockJudgement)
}

function missing(): never {
  throw new Error('there is only a block')
}

describe('the return of a block tool', () => {
  it('says that an insert was applied, and where', () => {
    expect(told(block('a\nb'), 'memory_insert', { new_string: 'c' })).toEqual({
      status: 'success',
      result: 'applied memory_insert block=notes version=4: 1 line added at the end (line 3).',
      block: { block_id: 'block-1', version: 4, changed: true },
      seen: { 'block-1': 4 },
    })
    const line = { new_string: 'x\ny', insert_line: 0 }
    expect(told(block('a'), 'memory_insert', line).result).toContain('2 lines added as line 1.')
  })

  it('names the changes by others and shows the text, and then counts as having told everything', () => {
    const state = edited(block('a'), command('memory_insert', { new_string: 'theirs' }))
    expect(told(state, 'memory_insert', { new_string: 'mine' })).toMatchObject({
      result: [
        'applied memory_insert block=notes version=5: 1 line added at the end (line 3).',
        'You had seen v3. Since then: v4 agent2 added text.',
        '--- current text (v5) ---',
        'a\ntheirs\nmine',
      ].join('\n'),
      seen: { 'block-1': 5 },
    })
  })

  it('moves what the model has seen only when it told everything up to there', () => {
    const long = edited(
      block('x'.repeat(4_000)),
      command('memory_insert', { new_string: 'theirs' }),
    )
    const result = told(long, 'memory_insert', { new_string: 'mine' })
    expect(result.result).toContain('v4 agent2 added text')
    expect(result.result).not.toContain('current text')
    expect(result.seen).toBeUndefined()
    expect(told(long, 'memory_insert', { new_string: 'mine' }, null).seen).toBeUndefined()
  })

  it('says that nothing was left to do', () => {
    expect(told(block('a'), 'memory_rethink', { new_memory: 'a' })).toMatchObject({
      status: 'success',
      result: expect.stringMatching(
        /^unchanged memory_rethink block=notes version=3: .*Nothing left to do\.$/,
      ),
      block: { version: 3, changed: false },
    })
  })

  it('says how many places a replace changed', () => {
    const one = { old_string: 'b', new_string: 'c' }
    expect(told(block('a\nb'), 'memory_replace', one).result).toContain('replaced in line 2.')
    const all = { old_content: 'a', new_content: 'c' }
    expect(told(block('a\na'), 'core_memory_replace', all).result).toContain(
      'replaced in 2 places, the first in line 1.',
    )
  })

  it('refuses a replace without a match: the sentence, who changed it, the text, one next action', () => {
    const replace = command('memory_replace', { old_string: 'SF', new_string: 'San Francisco' })
    const state = edited(block('HQ: SF'), replace)
    expect(told(state, 'memory_replace', { old_string: 'SF', new_string: 'Oakland' })).toEqual({
      status: 'error',
      code: 'replace_no_match',
      result: [
        'rejected replace_no_match memory_replace block=notes version=4. Nothing was changed.',
        'No replacement was performed, old_string `SF` did not appear verbatim in memory block with label `notes`.',
        'You had seen v3. Since then: v4 agent2 replaced text.',
        'Next: repeat with old_string copied exactly from the text below, or stop if it already says what you want.',
        '--- current text (v4) ---',
        'HQ: San Francisco',
      ].join('\n'),
      block: { block_id: 'block-1', version: 4, changed: false },
      seen: { 'block-1': 4 },
    })
  })

  it.each([
    [
      'an ambiguous replace',
      block('aa\naa'),
      'memory_replace',
      { old_string: 'aa', new_string: 'b' },
      'replace_ambiguous',
      'No replacement was performed. Multiple occurrences of old_string `aa` in lines [1, 2]. Please ensure it is unique.',
    ],
    [
      'a line that is not there',
      block('a\nb'),
      'memory_insert',
      { new_string: 'c', insert_line: 3 },
      'line_out_of_range',
      'Invalid `insert_line` parameter: 3. It should be within the range of lines of the memory block: [0, 2]',
    ],
    [
      'a read-only block',
      block('a', { read_only: true }),
      'memory_insert',
      { new_string: 'b' },
      'block_read_only',
      'Error This block is read-only and cannot be edited.',
    ],
    [
      'a text over the limit',
      block('a'.repeat(10), { limit: 12 }),
      'memory_insert',
      { new_string: 'bbb' },
      'limit_exceeded',
      'Edit failed: Exceeds 12 character limit (requested 14)',
    ],
    [
      'a text with line numbers',
      block('a'),
      'memory_insert',
      { new_string: '1→ b' },
      'line_number_prefix',
      'contains a line number prefix',
    ],
    [
      'a classic replace without a match',
      block('a'),
      'core_memory_replace',
      { old_content: 'zz', new_content: 'b' },
      'replace_no_match',
      "Old content 'zz' not found in memory block 'notes'",
    ],
  ] as const)(
    'refuses %s in the words agents know, with exactly one next action',
    (_name, state, tool, args, code, sentence) => {
      const { status, result, block: at, ...rest } = told(state, tool, args)
      expect({ status, code: rest.code }).toEqual({ status: 'error', code })
      expect(result).toContain(
        `rejected ${code} ${tool} block=notes version=3. Nothing was changed.`,
      )
      expect(result).toContain(sentence)
      expect(result.match(/^Next: /gm)).toHaveLength(1)
      expect(at).toEqual({ block_id: 'block-1', version: 3, changed: false })
    },
  )

  it('says what room is left', () => {
    const full = block('a'.repeat(10), { limit: 12 })
    const { result } = told(full, 'memory_insert', { new_string: 'bbb' })
    expect(result).toContain('2 characters are left.')
  })

  it('says that a rethink overwrote what its agent had not seen, and where that is kept', () => {
    let state = edited(block('a'), command('memory_insert', { new_string: 'b' }))
    state = edited(state, command('memory_insert', { new_string: 'c' }))
    const { result } = told(state, 'memory_rethink', { new_memory: 'mine' })
    expect(result).toContain(
      'applied memory_rethink block=notes version=6: your text is now the whole block.',
    )
    expect(result).toContain('v4 agent2 added text; v5 agent2 added text')
    expect(result).toContain(
      'Your text replaced 2 changes you had not seen; the history keeps them.',
    )
    expect(result).toMatch(
      /^Next: put back what should stay with memory_insert, or ask an operator to restore v5\.$/m,
    )
  })

  it('is bounded, whatever the names, the history and the arguments', () => {
    const long = 'x'.repeat(50_000)
    let state = block(`${'same\n'.repeat(2_000)}`)
    for (let i = 0; i < 30; i++) {
      state = edited(state, command('memory_insert', { new_string: `${i}` }), agent(2, long))
    }
    const results = [
      told(state, 'memory_insert', { new_string: 'b' }),
      told(state, 'memory_insert', { new_string: 'b', insert_line: 1_000_000 }),
      told(state, 'memory_replace', { old_string: long, new_string: 'b' }),
      told(state, 'memory_replace', { old_string: 'same', new_string: 'b' }),
      told(state, 'memory_rethink', { new_memory: 'b' }),
      told(state, 'memory_rethink', { new_memory: long + long }),
    ]
    for (const { result } of results) {
      expect(length(result.split('--- current text')[0] as string)).toBeLessThanOrEqual(
        WORDS_LENGTH_MAX,
      )
    }
  })
})
