import { describe, expect, it } from '@jest/globals'
import { acceptedOf, agentOf, appended, blockOf, codeOf } from '../../test/support/attachments.js'
import { agent as actor, now, user } from '../../test/support/block-commands.js'
import { type AgentState, BLOCKS_MAX, initialAgent } from './agent.js'
import { attach, attachAll, deleteAgent, deleteBlock, detach } from './attachment.js'
import type { BlockState } from './block-state.js'
import { initialBlock } from './block-state.js'

const event = (streamId: string, type: string, payload: object, base?: null) => ({
  streamId,
  event: { type, payload },
  ...(base === null ? { baseVersion: null } : {}),
})
const onBlock = (type: string, intent: object, length = 4) =>
  event('block-1', type, { intent, effect: [], length }, null)

describe('attaching', () => {
  const agent = agentOf(1)
  const one = blockOf(1, 'notes')

  it('stands on both streams, in one unit, with the right that was named or to edit', () => {
    expect(attach(one, agent)).toEqual({
      ok: true,
      value: [
        onBlock('AgentAttached', { agent_id: 'agent-1', right: 'edit' }),
        event('agent-1', 'BlockAttached', { block_id: 'block-1', label: 'notes', right: 'edit' }),
      ],
    })
    const appends = acceptedOf(attach(one, agent, 'insert'))
    expect(appended(one, appends).attached).toEqual({ 'agent-1': 'insert' })
    expect(appended(agent, appends).blocks).toEqual([
      { id: 'block-1', label: 'notes', right: 'insert', place: 2, attachedAt: now },
    ])
  })

  it('twice changes nothing, unless another right is named', () => {
    const appends = acceptedOf(attach(one, agent, 'insert'))
    const [there, has] = [appended(one, appends), appended(agent, appends)]
    expect(attach(there, has)).toEqual({ ok: true, value: [] })
    expect(attach(there, has, 'insert')).toEqual({ ok: true, value: [] })
    const other = attach(there, has, 'read')
    expect(other).toEqual({
      ok: true,
      value: [
        onBlock('RightChanged', { agent_id: 'agent-1', right: { from: 'insert', to: 'read' } }),
        event('agent-1', 'BlockRightChanged', { block_id: 'block-1', right: 'read' }),
      ],
    })
    expect(appended(there, acceptedOf(other)).attached).toEqual({ 'agent-1': 'read' })
    expect(appended(has, acceptedOf(other)).blocks).toMatchObject([{ right: 'read', place: 2 }])
  })

  it('is refused where the agent has another block of that label', () => {
    const has = appended(agent, acceptedOf(attach(one, agent)))
    expect(attach(blockOf(2, 'notes'), has)).toEqual({
      ok: false,
      rejection: {
        code: 'label_taken',
        detail: 'Agent agent1 already has a block with the label notes',
        facts: { agent_id: 'agent-1', label: 'notes', block_id: 'block-1' },
      },
    })
    expect(codeOf(attach(blockOf(2, 'Notes'), has))).toBeNull()
  })

  it(`is refused of a block too many, which is ${BLOCKS_MAX + 1}`, () => {
    const full = Array.from({ length: BLOCKS_MAX }).reduce<AgentState>((state, _, i) => {
      return appended(state, acceptedOf(attach(blockOf(i + 1, `label ${i}`), state)))
    }, agent)
    expect(full.blocks.map(({ place }) => place)).toEqual(
      Array.from({ length: BLOCKS_MAX }, (_, i) => i + 2),
    )
    expect(attach(blockOf(99, 'more'), full)).toEqual({
      ok: false,
      rejection: {
        code: 'too_many_blocks',
        detail: 'An agent has at most 20 blocks',
        facts: { agent_id: 'agent-1', blocks_max: 20 },
      },
    })
  })

  it('needs an agent and a block that are there', () => {
    const goneAgent = appended(agent, acceptedOf(deleteAgent(agent, [])))
    const goneBlock = appended(one, acceptedOf(deleteBlock(one, null, [])))
    for (const word of [
      (b: BlockState, a: AgentState) => attach(b, a),
      (b: BlockState, a: AgentState) => detach(b, a, user),
    ]) {
      expect(codeOf(word(one, initialAgent('agent-9')))).toBe('agent_not_found')
      expect(codeOf(word(one, goneAgent))).toBe('gone')
      expect(codeOf(word(initialBlock('block-9'), agent))).toBe('block_not_found')
      expect(codeOf(word(goneBlock, agent))).toBe('gone')
      expect(codeOf(word(initialBlock('block-9'), initialAgent('agent-9')))).toBe('agent_not_found')
    }
  })
})

describe("attaching a new agent's blocks", () => {
  const agent = agentOf(1)

  it('keeps their order, and attaches a block once that is named twice', () => {
    const [a, b] = [blockOf(1, 'a'), blockOf(2, 'b')]
    const appends = acceptedOf(attachAll([a, b, a], agent))
    expect(appends).toHaveLength(4)
    expect(
      appended(agent, appends).blocks.map(({ id, label, right, place }) => [
        id,
        label,
        right,
        place,
      ]),
    ).toEqual([
      ['block-1', 'a', 'edit', 2],
      ['block-2', 'b', 'edit', 3],
    ])
    expect(attachAll([], agent)).toEqual({ ok: true, value: [] })
  })

  it.each([
    ['equal labels', [blockOf(1, 'a'), blockOf(2, 'a')], 'label_taken'],
    ['an unknown block', [blockOf(1, 'a'), initialBlock('block-9')], 'block_not_found'],
    [
      'too many blocks',
      Array.from({ length: BLOCKS_MAX + 1 }, (_, i) => blockOf(i, `${i}`)),
      'too_many_blocks',
    ],
    ['as many as fit', Array.from({ length: BLOCKS_MAX }, (_, i) => blockOf(i, `${i}`)), null],
  ])('with %s comes to %s', (_name, blocks, expected) => {
    expect(codeOf(attachAll(blocks, agent))).toBe(expected)
  })
})

describe('detaching', () => {
  const agent = agentOf(1)
  const one = blockOf(1, 'notes')
  const both = acceptedOf(attach(one, agent))
  const [there, has] = [appended(one, both), appended(agent, both)]

  it('stands on both streams', () => {
    const decided = detach(there, has, user)
    expect(decided).toEqual({
      ok: true,
      value: [
        onBlock('AgentDetached', { agent_id: 'agent-1' }),
        event('agent-1', 'BlockDetached', { block_id: 'block-1' }),
      ],
    })
    expect(appended(there, acceptedOf(decided)).attached).toEqual({})
    expect(appended(has, acceptedOf(decided)).blocks).toEqual([])
  })

  it('needs an attachment', () => {
    expect(detach(one, agent, user)).toEqual({
      ok: false,
      rejection: {
        code: 'not_attached',
        detail: 'Block block-1 is not attached to agent agent-1',
        facts: { block_id: 'block-1', agent_id: 'agent-1' },
      },
    })
  })

  it('of a read-only block is not for agents', () => {
    const readOnly = { ...there, settings: { ...there.settings, read_only: true } }
    expect(detach(readOnly, has, actor(1))).toEqual({
      ok: false,
      rejection: {
        code: 'block_read_only',
        detail: 'Error This block is read-only and cannot be edited.',
        facts: { block_id: 'block-1', agent_id: 'agent-1' },
      },
    })
    expect(codeOf(detach(readOnly, has, user))).toBeNull()
    expect(codeOf(detach(there, has, actor(1)))).toBeNull()
  })
})
