import { describe, expect, it } from '@jest/globals'
import { createBlock } from './block.js'
import type { BlockCommand, Writer } from './block-events.js'
import { type BlockPast, textAt } from './block-memory.js'
import {
  type BlockState,
  initialBlock,
  missingPast,
  restoreBlock,
  storedBlock,
  withPast,
} from './block-state.js'
import { draft } from './draft.js'

const by = { actor: { kind: 'user', id: 'local' }, now: '2026-01-05T09:00:00.000Z' } as const
const blind: Writer = { actor: by.actor, baseVersion: null }
const insert: BlockCommand = {
  type: 'InsertText',
  text: 'a',
  place: { at: 'end' },
  numbered: false,
}

/** Version 1 says `one`, version 2 nothing about the text. */
function block(): BlockState {
  const decided = createBlock(initialBlock('block-1'), 'one', { label: 'notes' })
  if (!decided.ok) throw new Error(decided.rejection.detail)
  const created = draft(initialBlock('block-1'), decided.value.events, by)
  const configured = {
    type: 'BlockConfigured',
    payload: { intent: {}, effect: [], length: created.length },
  }
  return draft(created, [configured], by)
}

describe('the past of a block', () => {
  it.each<[string, BlockCommand, Writer]>([
    ['an edit whose writer had seen nothing', insert, { ...blind, baseVersion: 0 }],
    ['an undo of the creation', { type: 'RevertEdit', version: 1 }, blind],
  ])('is remembered from its creation on: %s asks for no more', (_, command, writer) => {
    expect(missingPast(block(), command, writer)).toBeNull()
  })

  it.each<[string, BlockCommand, Writer]>([
    ['an edit whose writer had seen nothing', insert, { ...blind, baseVersion: 0 }],
    ['an undo of the creation', { type: 'RevertEdit', version: 1 }, blind],
  ])('is as it was for everybody else after %s has asked for it', (_, command, writer) => {
    const state = restoreBlock(storedBlock(block()))
    const since = missingPast(state, command, writer) as number
    // As the log has it: before the creation there is no text, and the creation is no change of one.
    const value = since === 0 ? '' : 'one'
    const past: BlockPast = { version: since, value, changes: [], upTo: state.version }
    expect(textAt(withPast(state, past).memory, 1)).toBe('one')
  })
})
