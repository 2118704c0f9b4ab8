import { describe, expect, it } from '@jest/globals'
import { createBlock, decideBlock } from '#domain/block.js'
import { initialBlock } from '#domain/block-state.js'
import { draft } from '#domain/draft.js'
import { apply } from '#domain/text.js'
import { vectors } from '../../test/support/contract.js'
import { isMemoryTool, readMemoryCall } from './memory-tools.js'

const now = '2026-01-05T09:00:00.000Z'
const agent = { kind: 'agent', id: 'agent-1', name: 'agent1' } as const

/** The tools that are built in; `memory` and `memory_apply_patch` come with their own work. */
const rows = vectors().filter(
  (vector) => isMemoryTool(vector.tool) && vector.args.label === vector.block.label,
)

describe('the block tools, as every vector of the contract has them', () => {
  it('are all there', () => {
    expect(rows.length).toBeGreaterThanOrEqual(125)
  })

  it.each(rows.map((vector) => [vector.name, vector] as const))('%s', (_name, vector) => {
    const { label, value, limit, read_only } = vector.block
    const empty = initialBlock('block-1')
    const created = createBlock(empty, value, {
      label,
      ...(limit ? { limit } : {}),
      read_only: read_only ?? false,
    })
    if (!created.ok) throw new Error(created.rejection.detail)
    const attach = {
      type: 'AgentAttached',
      payload: {
        intent: { agent_id: agent.id, right: 'edit' },
        effect: [],
        length: [...value].length,
      },
    } as const
    const state = {
      ...draft(empty, [...created.value.events, attach], { actor: agent, now }),
      value,
    }
    if (!isMemoryTool(vector.tool)) throw new Error('not a memory tool')
    const call = readMemoryCall(vector.tool, vector.args)
    if (!call.ok) throw new Error(call.fault)
    const decided = decideBlock(state, call.command, { actor: agent, baseVersion: null })
    const { error, effect, changed } = vector.expect
    if (error) {
      expect(decided).toMatchObject({ ok: false, rejection: { code: error.code } })
      if (!decided.ok) expect(decided.rejection.detail).toContain(error.textContains)
      return
    }
    if (!decided.ok) throw new Error(`${decided.rejection.code}: ${decided.rejection.detail}`)
    const splices = decided.value.events.flatMap((event) => event.payload.effect)
    expect(apply(value, splices)).toBe(vector.expect.value)
    if (changed === false) expect(decided.value.events).toEqual([])
    if (effect) expect(splices).toEqual(effect)
  })
})
