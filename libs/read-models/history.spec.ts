import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type BlockStory, openBlockStory, tenantId } from '../../test/support/block-story.js'
import { blockAtVersion, versionAt } from './block-at.js'
import { blockById } from './blocks.js'
import { blockHistory } from './history.js'

const FIRST = { after: null, limit: 100, order: 'asc' } as const

let story: BlockStory
let id: string
let agentId: string

beforeAll(async () => {
  story = await openBlockStory()
  id = await story.block('organization', 'Letta')
  agentId = await story.agent('one', [id])
  const actor = { kind: 'agent', id: agentId } as const
  const correlation = { run_id: 'run-1', step: 2, tool_call_id: 'call_1' }
  const end = { at: 'end' } as const
  const insert = { type: 'InsertText', text: 'line 😀', place: end, numbered: true } as const
  await story.change(id, insert, { actor, correlation, baseVersion: 1 })
  await story.change(id, { type: 'RethinkBlock', text: 'all new', numbered: true })
  await story.change(id, { type: 'PatchBlock', settings: { description: 'd' } })
  await story.change(id, { type: 'DeleteBlock', reason: 'done' })
})
afterAll(() => story.close())

describe('the history of a block', () => {
  it('tells who changed what, in which turn and after reading what; of a deleted one too', async () => {
    const history = await blockHistory(story.reads.pool, tenantId, id, FIRST)
    const entries = history?.entries ?? []
    expect(entries.map((entry) => [entry.version, entry.type])).toEqual([
      [1, 'BlockCreated'],
      [2, 'AgentAttached'],
      [3, 'TextInserted'],
      [4, 'BlockRethought'],
      [5, 'BlockConfigured'],
      [6, 'BlockDeleted'],
    ])
    expect(entries[2]).toMatchObject({
      actor: { kind: 'agent', id: agentId },
      run_id: 'run-1',
      step: 2,
      tool_call_id: 'call_1',
      base_version: 1,
      effect: [{ offset: 5, delete: 0, insert: '\nline 😀' }],
      receipt: { placed: 'end', line: 2, lines: 1 },
      length: 12,
      change: null,
    })
    expect(entries[1]?.change).toEqual({ agent_id: agentId, right: 'edit' })
    expect(entries[4]?.change).toEqual({ description: { from: null, to: 'd' } })
    expect(entries[0]?.change).not.toHaveProperty('value')
  })

  it('is paged by version in both directions and says when it ends', async () => {
    const { pool } = story.reads
    const asc = await blockHistory(pool, tenantId, id, { after: 2, limit: 2, order: 'asc' })
    expect(asc?.entries.map((entry) => entry.version)).toEqual([3, 4])
    expect(asc?.hasMore).toBe(true)
    const desc = await blockHistory(pool, tenantId, id, { after: 3, limit: 2, order: 'desc' })
    expect(desc?.entries.map((entry) => entry.version)).toEqual([2, 1])
    expect(desc?.hasMore).toBe(false)
    const end = await blockHistory(pool, tenantId, id, { after: 99, limit: 2, order: 'asc' })
    expect(end).toEqual({ entries: [], hasMore: false })
  })

  it('is null where there never was a block', async () => {
    expect(await blockHistory(story.reads.pool, tenantId, 'block-none', FIRST)).toBeNull()
    expect(await blockHistory(story.reads.pool, 'another', id, FIRST)).toBeNull()
  })
})

describe('a block in the past', () => {
  it('stands at every version as it stood then', async () => {
    const values: unknown[] = []
    for (const version of [1, 3, 4, 5, 6]) {
      const at = await blockAtVersion(story.reads.pool, tenantId, id, version)
      if (!at || 'head' in at) throw new Error(`no version ${version}`)
      values.push([at.block.version, at.block.value, at.block.settings.description])
    }
    expect(values).toEqual([
      [1, 'Letta', null],
      [3, 'Letta\nline 😀', null],
      [4, 'all new', null],
      [5, 'all new', 'd'],
      [6, 'all new', 'd'],
    ])
  })

  it('at its head is what a read of the present says', async () => {
    const head = await blockById(story.reads, tenantId, id)
    const at = await blockAtVersion(story.reads.pool, tenantId, id, head?.version ?? 0)
    expect(at).toEqual({ block: head })
  })

  it('has no version that it has not reached', async () => {
    expect(await blockAtVersion(story.reads.pool, tenantId, id, 99)).toEqual({ head: 6 })
    expect(await blockAtVersion(story.reads.pool, tenantId, 'block-none', 1)).toBeNull()
  })

  it('is found by time: nothing before its creation, the head from its last event on', async () => {
    const { pool } = story.reads
    const block = await blockById(story.reads, tenantId, id)
    if (!block) throw new Error('no block')
    const before = new Date(block.createdAt.getTime() - 1)
    expect(await versionAt(pool, tenantId, id, before)).toBe(0)
    expect(await versionAt(pool, tenantId, id, block.updatedAt)).toBe(block.version)
    for (let version = 1; version <= block.version; version++) {
      const past = await blockAtVersion(pool, tenantId, id, version)
      if (!past || 'head' in past) throw new Error(`no version ${version}`)
      const { updatedAt } = past.block
      const found = await versionAt(pool, tenantId, id, updatedAt)
      // Neighbours may have been written in the same millisecond: the last of them counts.
      expect(found).toBeGreaterThanOrEqual(version)
      const next = await blockAtVersion(pool, tenantId, id, found + 1)
      if (next && 'block' in next) expect(next.block.updatedAt > updatedAt).toBe(true)
    }
    const year = new Date(block.updatedAt.getTime() + 31_536_000_000)
    expect(await versionAt(pool, tenantId, id, year)).toBe(block.version)
  })
})
