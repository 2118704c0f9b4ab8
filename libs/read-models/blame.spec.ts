import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { BlockChange } from '#commands/block-change.js'
import { type BlockStory, openBlockStory, tenantId } from '../../test/support/block-story.js'
import { type BlamePage, Blames } from './blame.js'
import { blockAtVersion } from './block-at.js'
import { compareVersions, diffHunks } from './diff.js'

const ALL = { from: 0, limit: 1_000 }
const end = { at: 'end' } as const

let story: BlockStory
let blames: Blames

beforeAll(async () => {
  story = await openBlockStory()
  blames = new Blames(story.reads.pool)
})

afterAll(() => story.close())

const insert = (text: string): BlockChange => ({
  type: 'InsertText',
  text,
  place: end,
  numbered: true,
})
const replace = (old: string, to: string): BlockChange => ({
  type: 'ReplaceText',
  ...{ old, new: to, all: false, numbered: true },
})
const rethink = (text: string): BlockChange => ({ type: 'RethinkBlock', text, numbered: true })
const undo = (version: number): BlockChange => ({ type: 'RevertEdit', version })

async function blamed(
  id: string,
  version?: number,
  from: Blames = blames,
  page = ALL,
): Promise<BlamePage> {
  const blame = await from.page(tenantId, id, version, page)
  if (!blame || 'head' in blame) throw new Error(`no blame: ${JSON.stringify(blame)}`)
  return blame
}

const words = (page: BlamePage): string[] =>
  page.spans.map((span) => `${span.text}@${span.version}`)

describe('the blame of a block', () => {
  it('says who wrote which words, in which turn and call, and when; of a deleted block too', async () => {
    const id = await story.block('organization', 'Letta 😀')
    const agentId = await story.agent('one', [id])
    const actor = { kind: 'agent', id: agentId, name: 'one' } as const
    const correlation = { run_id: 'run-1', step: 2, tool_call_id: 'call_1' }
    await story.change(id, insert('line'), { actor, correlation, baseVersion: 2 })
    await story.change(id, { type: 'PatchBlock', settings: { label: 'company' } })
    await story.change(id, { type: 'DeleteBlock', reason: null })
    const { version, spans, hasMore } = await blamed(id)
    expect({ version, hasMore }).toEqual({ version: 5, hasMore: false })
    expect(spans).toMatchObject([
      { start: 0, end: 7, text: 'Letta 😀', version: 1, type: 'BlockCreated', run_id: null },
      {
        ...{ start: 7, end: 12, text: '\nline', version: 3, type: 'TextInserted', actor },
        ...{ run_id: 'run-1', step: 2, tool_call_id: 'call_1' },
        ...{ restored_by: null, touched_by: null },
      },
    ])
    expect(spans[1]?.at).toMatch(/^\d{4}-.*\.\d{3}Z$/)
  })

  it('concatenates to the value at every version, whatever was asked before', async () => {
    const id = await story.block('plan', 'one\ntwo\nand\nthree')
    const changes = [
      insert('four'),
      replace('two', '2'),
      rethink('one\n2\nand\ndrei\nfour'),
      undo(3),
      insert('x'),
      undo(4),
    ]
    for (const change of changes) await story.change(id, change)
    const restore = { type: 'RestoreBlock', version: 3, text: 'one\n2\nand\nthree\nfour' } as const
    const { version: head } = await story.change(id, restore)
    const orders = [
      [1, 2, 3, 4, 5, 6, 7, 8],
      [8, 7, 6, 5, 4, 3, 2, 1],
      [4, 8, 2, 6, 1, 7, 3, 5],
    ]
    expect(head).toBe(8)
    const answers = new Map<number, BlamePage>()
    for (const order of orders) {
      const kept = new Blames(story.reads.pool)
      for (const version of order) {
        const page = await blamed(id, version, kept)
        const at = await blockAtVersion(story.reads.pool, tenantId, id, version)
        const value = at && 'block' in at ? at.block.value : null
        expect(page.spans.map((span) => span.text).join('')).toBe(value)
        expect(answers.get(version) ?? page).toEqual(page)
        answers.set(version, page)
      }
    }
  })

  it('is kept, and follows what comes, undos of what lies behind what is kept included', async () => {
    const id = await story.block('busy', 'first word')
    for (let n = 0; n < 3; n++) await story.change(id, insert(`line ${n}`))
    const second = await story.change(id, replace('first word', 'first'))
    expect(words(await blamed(id))[0]).toBe('first@5')
    for (let n = 0; n < 80; n++) await story.change(id, insert(`more ${n}`))
    await blamed(id)
    await story.change(id, undo(second.version))
    const page = await blamed(id)
    expect(words(page).slice(0, 2)).toEqual(['first word@1', '\nline 0@2'])
    expect(page).toEqual(await blamed(id, undefined, new Blames(story.reads.pool)))
  })

  it('is paged by place, each page of the version that the first had', async () => {
    const id = await story.block('paged', 'a😀')
    for (const text of ['b', 'c', 'd']) await story.change(id, insert(text))
    const first = await blamed(id, undefined, blames, { from: 0, limit: 3 })
    expect([first.hasMore, words(first)]).toEqual([true, ['a😀@1', '\nb@2', '\nc@3']])
    await story.change(id, insert('e'))
    const rest = await blamed(id, 4, blames, { from: first.spans.at(-1)?.end ?? 0, limit: 3 })
    expect([rest.hasMore, words(rest)]).toEqual([false, ['\nd@4']])
  })

  it('of an empty text has no spans, and of a version not reached none either', async () => {
    const id = await story.block('empty')
    expect(await blamed(id)).toEqual({ version: 1, spans: [], hasMore: false })
    expect(await blames.page(tenantId, id, 2, ALL)).toEqual({ head: 1 })
    expect(await blames.page(tenantId, 'block-none', undefined, ALL)).toBeNull()
    expect(await blames.page('another', id, undefined, ALL)).toBeNull()
  })
})

describe('the difference of two versions', () => {
  async function diffed(id: string, from?: number, to?: number) {
    const compared = await compareVersions(story.reads.pool, tenantId, id, { from, to })
    if (!compared || 'head' in compared) throw new Error('not there')
    return { compared, hunks: await diffHunks(story.reads.pool, blames, tenantId, id, compared) }
  }

  it('names whose the added words are, and who took the removed ones away', async () => {
    const id = await story.block('facts', 'HQ: unknown\nfounded: 2023')
    const run = { correlation: { run_id: 'run-9', step: 1, tool_call_id: 'c' } }
    await story.change(id, replace('unknown', 'Oakland'), run)
    await story.change(id, replace('Oakland', 'San Francisco'))
    await story.change(id, { type: 'PatchBlock', settings: { label: 'renamed' } })
    await story.change(id, { type: 'DeleteBlock', reason: null })
    const { compared, hunks } = await diffed(id, 1, 5)
    expect([compared.from.name, compared.to.name]).toEqual(['facts@1', 'renamed@5'])
    expect(hunks).toMatchObject([
      {
        ...{ line: 1, offset: 4, removed: 'unknown', added: 'San Francisco' },
        ...{ before: 'HQ: ', after: '' },
        authors: [{ version: 3, run_id: null }],
        removed_by: [{ version: 2, run_id: 'run-9' }],
      },
    ])
    expect((await diffed(id)).hunks).toEqual([])
  })

  it('is by default what the newest event did; from 0 on everything is new', async () => {
    const id = await story.block('steps', 'a')
    await story.change(id, insert('b'))
    const { compared, hunks } = await diffed(id)
    expect([compared.from.version, compared.to.version]).toEqual([1, 2])
    expect(hunks).toMatchObject([{ removed: '', added: '\nb', authors: [{ version: 2 }] }])
    const whole = await diffed(id, 0, 2)
    expect(whole.hunks).toMatchObject([
      { added: 'a\nb', authors: [{ version: 1 }, { version: 2 }], removed_by: [] },
    ])
    const at = (versions: { from?: number; to?: number }) =>
      compareVersions(story.reads.pool, tenantId, id, versions)
    expect(await at({ from: 3 })).toEqual({ head: 2 })
    expect(await at({ from: 1, to: 3 })).toEqual({ head: 2 })
    expect(await compareVersions(story.reads.pool, tenantId, 'block-none', {})).toBeNull()
  })
})
