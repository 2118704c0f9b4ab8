import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { BlockChange } from '#commands/block-change.js'
import { type BlockStory, openBlockStory, tenantId } from '../../test/support/block-story.js'
import { blockRejections, type RefusedCommand } from './rejections.js'

const KEY = Buffer.from('key of this test')

let story: BlockStory

beforeAll(async () => {
  story = await openBlockStory()
})

afterAll(() => story.close())

async function refuse(id: string, what: BlockChange, commandId?: string): Promise<void> {
  const command = commandId && { id: commandId, fingerprint: Buffer.from(commandId) }
  const more = { actor: { kind: 'user', id: 'ann' } as const, ...(command ? { command } : {}) }
  await expect(story.change(id, what, more)).rejects.toThrow()
}

const replace = (old: string): BlockChange => ({
  type: 'ReplaceText',
  ...{ old, new: 'x', all: false, numbered: true },
})

async function list(id: string, limit = 100, key = KEY): Promise<RefusedCommand[]> {
  const found: RefusedCommand[] = []
  for (let after = null as Parameters<typeof blockRejections>[4]['after']; ; ) {
    const page = await blockRejections(story.reads.pool, key, tenantId, id, { after, limit })
    if (!page || 'unknownCursor' in page) throw new Error(JSON.stringify(page))
    found.push(...page.rejections)
    const last = page.rejections.at(-1)
    if (!page.hasMore || !last) return found
    after = { at: last.at, commandId: last.command_id }
  }
}

describe('refused commands', () => {
  it('are listed newest first, with code, facts and who asked; of a deleted block too', async () => {
    const id = await story.block('notes', 'a')
    await refuse(id, replace('absent'))
    await story.change(id, { type: 'DeleteBlock', reason: null })
    await refuse(id, replace('a'))
    const [second, first] = await list(id)
    expect(first).toMatchObject({
      ...{ code: 'replace_no_match', at_version: 1, actor: { kind: 'user', id: 'ann' } },
      detail: expect.stringContaining('absent'),
      facts: { block_id: id },
    })
    expect(first?.command_id).toMatch(/^cmd-[0-9a-f-]{36}$/)
    expect(second).toMatchObject({ code: 'gone', at_version: 2 })
  })

  it('are paged without gap or repetition, those of one moment included', async () => {
    const id = await story.block('many', 'a')
    const keys = ['a', 'b', 'c', 'd', 'e']
    await Promise.all(keys.map((key) => refuse(id, replace(`absent ${key}`), `user:ann:${key}`)))
    const whole = await list(id)
    expect(whole).toHaveLength(5)
    expect(await list(id, 2)).toEqual(whole)
    expect(await list(id, 1)).toEqual(whole)
    const unknown = { at: new Date(0).toISOString(), commandId: 'cmd-nobody' }
    const page = { after: unknown, limit: 2 }
    expect(await blockRejections(story.reads.pool, KEY, tenantId, id, page)).toEqual({
      unknownCursor: true,
    })
  })

  it("never show a caller's key, only a hash that nobody can guess without this database's", async () => {
    const id = await story.block('keyed', 'a')
    await refuse(id, replace('absent'), 'user:ann:order-1')
    const [one] = await list(id)
    const [other] = await list(id, 100, Buffer.from('another key'))
    expect(one?.command_id).toMatch(/^key-[0-9a-f]{32}$/)
    expect(other?.command_id).not.toBe(one?.command_id)
    expect(JSON.stringify(one)).not.toContain('order-1')
  })

  it('are none for a block that refused nothing, and null where there never was a block', async () => {
    const id = await story.block('quiet', 'a')
    expect(await list(id)).toEqual([])
    const page = { after: null, limit: 1 }
    expect(await blockRejections(story.reads.pool, KEY, tenantId, 'block-none', page)).toBeNull()
  })
})
