import { describe, expect, it } from '@jest/globals'
import {
  acceptedOf,
  agentOf,
  appended,
  blockOf,
  codeOf,
  patch,
} from '../../test/support/attachments.js'
import { blind } from '../../test/support/block-commands.js'
import { initialAgent } from './agent.js'
import { attach, attachAll, deleteAgent, deleteBlock, patchBlock } from './attachment.js'
import { initialBlock } from './block-state.js'

const event = (streamId: string, type: string, payload: object, base?: null) => ({
  streamId,
  event: { type, payload },
  ...(base === null ? { baseVersion: null } : {}),
})
const onBlock = (type: string, intent: object, length = 4) =>
  event('block-1', type, { intent, effect: [], length }, null)

describe('renaming', () => {
  const one = blockOf(1, 'notes')
  const both = acceptedOf(attach(one, agentOf(1)))
  const [there, first] = [appended(one, both), appended(agentOf(1), both)]
  const second = appended(agentOf(2), acceptedOf(attach(there, agentOf(2))))

  it('is told to every attached agent', () => {
    const decided = patchBlock(there, patch({ label: 'plan' }), { ...blind, baseVersion: 1 }, [
      first,
      second,
    ])
    expect(decided).toEqual({
      ok: true,
      value: {
        appends: [
          {
            ...onBlock('BlockConfigured', { label: { from: 'notes', to: 'plan' } }),
            baseVersion: 1,
          },
          event('agent-1', 'BlockRelabelled', { block_id: 'block-1', label: 'plan' }),
          event('agent-2', 'BlockRelabelled', { block_id: 'block-1', label: 'plan' }),
        ],
        receipt: null,
      },
    })
    const appends = decided.ok ? decided.value.appends : []
    expect([first, second].map((state) => appended(state, appends).blocks[0]?.label)).toEqual([
      'plan',
      'plan',
    ])
  })

  it('is refused where one of them has that label already', () => {
    const other = appended(second, acceptedOf(attach(blockOf(2, 'plan'), second)))
    expect(patchBlock(there, patch({ label: 'plan' }), blind, [first, other])).toEqual({
      ok: false,
      rejection: {
        code: 'label_taken',
        detail: 'Agent agent2 already has a block with the label plan',
        facts: { agent_id: 'agent-2', label: 'plan', block_id: 'block-2' },
        atVersion: 2,
      },
    })
  })

  it('to the same name, or of nothing, is told to nobody; a refused one neither', () => {
    expect(patchBlock(there, patch({ label: 'notes' }), blind, [first])).toEqual({
      ok: true,
      value: { appends: [], receipt: null },
    })
    const described = patchBlock(there, patch({ description: 'd' }), blind, [first])
    expect(described).toMatchObject({ ok: true, value: { appends: [{ streamId: 'block-1' }] } })
    expect(codeOf(patchBlock(there, patch({ label: ' ' }), blind, [first]))).toBe('invalid_label')
  })

  it('together with a new text has the receipt of the text', () => {
    const decided = patchBlock(there, patch({ label: 'plan' }, 'new'), blind, [first])
    expect(decided).toMatchObject({
      ok: true,
      value: {
        appends: [
          { event: { type: 'BlockRethought' } },
          { event: { type: 'BlockConfigured' } },
          { streamId: 'agent-1' },
        ],
        receipt: { overwrote: [], replaced_version: 2 },
      },
    })
  })
})

describe('deleting', () => {
  const one = blockOf(1, 'notes')
  const two = blockOf(2, 'plan')
  const agent = agentOf(1)
  const appends = acceptedOf(attachAll([one, two], agent))
  const [first, second, has] = [
    appended(one, appends),
    appended(two, appends),
    appended(agent, appends),
  ]

  it('a block ends every attachment, and its text stays', () => {
    const decided = deleteBlock(first, 'no longer used', [has])
    expect(decided).toEqual({
      ok: true,
      value: [
        onBlock('BlockDeleted', { reason: 'no longer used' }),
        event('agent-1', 'BlockDetached', { block_id: 'block-1' }),
      ],
    })
    expect(appended(first, acceptedOf(decided))).toMatchObject({
      deleted: true,
      attached: {},
      value: 'text',
    })
    expect(appended(has, acceptedOf(decided)).blocks.map(({ id }) => id)).toEqual(['block-2'])
  })

  it('a block twice, or one that never was, is refused', () => {
    const gone = appended(first, acceptedOf(deleteBlock(first, null, [has])))
    expect(codeOf(deleteBlock(gone, null, []))).toBe('gone')
    expect(codeOf(deleteBlock(initialBlock('block-9'), null, []))).toBe('block_not_found')
  })

  it('a block is guarded by If-Match', () => {
    const writer = { ...blind, ifMatch: 1 }
    expect(codeOf(deleteBlock(first, null, [has], writer))).toBe('version_conflict')
    expect(codeOf(deleteBlock(first, null, [has], { ...writer, ifMatch: 2 }))).toBeNull()
  })

  it('an agent detaches it from its blocks, which survive it', () => {
    const decided = deleteAgent(has, [first, second])
    expect(acceptedOf(decided).map(({ streamId, event: { type } }) => [streamId, type])).toEqual([
      ['block-1', 'AgentDetached'],
      ['agent-1', 'BlockDetached'],
      ['block-2', 'AgentDetached'],
      ['agent-1', 'BlockDetached'],
      ['agent-1', 'AgentDeleted'],
    ])
    const all = acceptedOf(decided)
    expect(appended(has, all)).toMatchObject({ deleted: true, blocks: [], tools: [] })
    expect([first, second].map((state) => appended(state, all))).toMatchObject([
      { deleted: false, attached: {} },
      { deleted: false, attached: {} },
    ])
    expect(codeOf(deleteAgent(appended(has, all), []))).toBe('gone')
    expect(codeOf(deleteAgent(initialAgent('agent-9'), []))).toBe('agent_not_found')
  })
})
