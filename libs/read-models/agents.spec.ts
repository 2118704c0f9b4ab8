import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import {
  type BlockStory,
  openBlockStory,
  paged,
  rowsOf,
  tenantId,
} from '../../test/support/block-story.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import {
  type AgentFilter,
  agentById,
  countAgents,
  listAgents,
  messageIdsOfAgents,
} from './agents.js'
import type { PageRequest } from './listing.js'
import { messagesOfAgent } from './messages.js'

const ALL = { limit: 100, order: 'asc', before: null, after: null } as const

describe('agents', () => {
  let story: BlockStory
  beforeAll(async () => {
    story = await openBlockStory()
    await story.agent('Alpha_1', [], { tags: ['a', 'b'], project_id: 'p' })
    await story.agent('Alphax1', [], { tags: ['b'] })
    await story.agent('Hidden', [], { hidden: true })
  })
  afterAll(() => story.close())

  it.each<[string, AgentFilter, string[]]>([
    ['nothing: hidden ones stay out', {}, ['Alpha_1', 'Alphax1']],
    ['hidden ones too', { showHidden: true }, ['Alpha_1', 'Alphax1', 'Hidden']],
    ['name', { name: 'Alphax1' }, ['Alphax1']],
    ['part of the name, an underscore meaning itself', { nameSearch: 'A_1' }, ['Alpha_1']],
    ['any tag', { tags: ['a', 'zz'] }, ['Alpha_1']],
    ['all tags', { tags: ['a', 'b'], matchAllTags: true }, ['Alpha_1']],
    ['project', { projectId: 'p' }, ['Alpha_1']],
    ['creator', { createdById: 'nobody' }, []],
    ['last stop reason', { lastStopReason: 'end_turn' }, []],
  ])('are narrowed by %s', async (_, filter, expected) => {
    const agents = rowsOf(await listAgents(story.reads, tenantId, filter, ALL))
    expect(agents.map((agent) => agent.settings.name)).toEqual(expected)
  })

  it('are visited once whole by any limit, in either order, by each sort', async () => {
    for (const sort of ['created_at', 'updated_at', 'last_run_completion'] as const) {
      const list = (page: PageRequest) =>
        listAgents(story.reads, tenantId, { showHidden: true }, page, sort)
      for (const order of ['asc', 'desc'] as const) {
        const expected = rowsOf(await list({ ...ALL, order })).map((agent) => agent.id)
        for (const limit of [1, 2, 3]) {
          const { forwards, backwards } = await paged(list, order, limit)
          expect([forwards, backwards]).toEqual([expected, expected])
        }
      }
    }
  })

  it('are counted and shown until they are deleted', async () => {
    const before = await countAgents(story.reads, tenantId)
    const id = await story.agent('brief')
    expect(await countAgents(story.reads, tenantId)).toBe(before + 1)
    await story.changeAgent(id, { type: 'DeleteAgent' })
    expect(await countAgents(story.reads, tenantId)).toBe(before)
    expect(await agentById(story.reads, tenantId, id)).toMatchObject({ deleted: true })
    expect(await agentById(story.reads, tenantId, 'agent-none')).toBeNull()
  })
})

describe('an agent that ran', () => {
  let turns: TurnStory
  beforeAll(async () => {
    turns = await openTurnStory()
  })
  afterAll(() => turns.close())

  it('says how its last turn ended, whatever still waits, and is found by it', async () => {
    const reads = { db: turns.db, pool: turns.pool }
    const idle = await turns.createAgent('idle')
    const id = await turns.createAgent('busy')
    await turns.run(id, 'hello', [{ reply: { content: 'hi' } }])
    await turns.queue(id, 'waits')
    const agent = await agentById(reads, tenantId, id)
    expect(agent?.lastRun).toMatchObject({ stopReason: 'end_turn' })
    expect(agent?.lastRun?.durationMs).toBeGreaterThanOrEqual(0)
    expect((await agentById(reads, tenantId, idle))?.lastRun).toBeNull()
    const found = await listAgents(reads, tenantId, { lastStopReason: 'end_turn' }, ALL)
    expect(rowsOf(found).map((row) => row.id)).toEqual([id])
  })

  it('names its messages in their order, the system message first, at most 100', async () => {
    const reads = { db: turns.db, pool: turns.pool }
    const id = await turns.createAgent('speaker')
    const quiet = await turns.createAgent('quiet')
    for (let i = 0; i < 48; i++) await turns.queue(id, `message ${i}`)
    await turns.run(id, 'last', [{ reply: { content: 'answer' } }])
    for (let i = 48; i < 98; i++) await turns.queue(id, `message ${i}`)
    const page = { limit: 1000, order: 'asc', before: null, after: null } as const
    const all = rowsOf(await messagesOfAgent(turns.db, tenantId, id, page)).map((m) => m.message_id)
    const named = await messageIdsOfAgents(reads, tenantId, [id, quiet])
    expect(named.get(id)).toEqual([all[0], ...all.slice(-99)])
    expect(named.get(quiet)).toHaveLength(1)
  })
})
