import { afterAll, beforeAll, expect, it } from '@jest/globals'
import {
  type BlockStory,
  openBlockStory,
  paged,
  rowsOf,
  tenantId,
} from '../../test/support/block-story.js'
import { agentById, listAgents } from './agents.js'
import { blockOfAgent, blocksOfAgents, listBlocksOfAgent } from './attachments.js'

const DESC = { limit: 100, order: 'desc', before: null, after: null } as const

let story: BlockStory

beforeAll(async () => {
  story = await openBlockStory()
})
afterAll(() => story.close())

it('blocks stand in the order of attachment, whatever the order of their creation', async () => {
  const ids = [await story.block('one'), await story.block('two'), await story.block('three')]
  const [one, two, three] = ids as [string, string, string]
  const agentId = await story.agent('a', [three, one])
  await story.changeAgent(agentId, {
    type: 'AttachBlock',
    blockId: two,
    right: null,
  })

  const prompt = await blocksOfAgents(story.reads, tenantId, [agentId])
  expect(prompt.get(agentId)?.map((block) => block.id)).toEqual([three, one, two])
  const listed = rowsOf(await listBlocksOfAgent(story.reads, tenantId, agentId, DESC))
  expect(listed.map((block) => block.id)).toEqual([two, one, three])
  for (const limit of [1, 2, 3]) {
    const page = (request: Parameters<typeof listBlocksOfAgent>[3]) =>
      listBlocksOfAgent(story.reads, tenantId, agentId, request)
    const { forwards, backwards } = await paged(page, 'desc', limit)
    expect(forwards).toEqual([two, one, three])
    expect(backwards).toEqual([two, one, three])
  }
})

it('a shared block stands with each of its agents, and its agents can be listed', async () => {
  const shared = await story.block('shared', 'text')
  const first = await story.agent('first', [shared])
  const second = await story.agent('second', [shared])
  const without = await story.agent('without')
  const blocks = await blocksOfAgents(story.reads, tenantId, [first, second, without])
  expect([first, second, without].map((id) => blocks.get(id)?.length)).toEqual([1, 1, 0])
  expect(blocks.get(second)?.[0]).toMatchObject({ id: shared, value: 'text', version: 3 })

  const agents = await listAgents(story.reads, tenantId, { blockId: shared }, DESC)
  expect(new Set(rowsOf(agents).map((agent) => agent.id))).toEqual(new Set([first, second]))
})

it('a label leads to the block, also after it was renamed, and not to what was detached', async () => {
  const id = await story.block('was/here')
  const agentId = await story.agent('b', [id])
  const byLabel = async (label: string) =>
    (await blockOfAgent(story.reads, tenantId, agentId, label))?.id ?? null
  expect(await byLabel('was/here')).toBe(id)
  await story.change(id, { type: 'PatchBlock', settings: { label: 'is here' } })
  expect([await byLabel('was/here'), await byLabel('is here')]).toEqual([null, id])
  await story.changeAgent(agentId, { type: 'DetachBlock', blockId: id })
  expect(await byLabel('is here')).toBeNull()
})

it('a cursor of another agent is unknown', async () => {
  const mine = await story.block('mine')
  const agentId = await story.agent('c')
  const page = { ...DESC, after: mine }
  const answer = await listBlocksOfAgent(story.reads, tenantId, agentId, page)
  expect(answer).toEqual({ unknownCursor: mine })
})

it('a patch exchanges tools and blocks in one step, so a block may take over a label', async () => {
  const old = await story.block('notes', 'old')
  const fresh = await story.block('notes', 'new')
  const kept = await story.block('kept')
  const agentId = await story.agent('d', [old, kept])
  const tools = [{ id: 'tool-1', name: 'one' }]
  await story.changeAgent(agentId, {
    type: 'PatchAgent',
    settings: { name: 'renamed' },
    tools,
    blockIds: [fresh, kept],
  })
  const blocks = await blocksOfAgents(story.reads, tenantId, [agentId])
  expect(blocks.get(agentId)?.map((block) => block.id)).toEqual([kept, fresh])
  expect(await agentById(story.reads, tenantId, agentId)).toMatchObject({
    settings: { name: 'renamed' },
    toolIds: ['tool-1'],
  })
})

it('a patch that cannot be carried out whole changes nothing', async () => {
  const taken = await story.block('same')
  const agentId = await story.agent('e', [taken])
  const rival = await story.block('same')
  const refusal = await story.refusal(agentId, {
    type: 'PatchAgent',
    settings: { name: 'renamed' },
    blockIds: [taken, rival],
  })
  expect(refusal.code).toBe('label_taken')
  expect(await agentById(story.reads, tenantId, agentId)).toMatchObject({ settings: { name: 'e' } })
})
