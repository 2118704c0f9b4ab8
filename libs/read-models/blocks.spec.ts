import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  type BlockStory,
  openBlockStory,
  paged,
  rowsOf,
  tenantId,
} from '../../test/support/block-story.js'
import { type BlockFilter, blockById, countBlocks, listBlocks } from './blocks.js'

const ALL = { limit: 100, order: 'asc', before: null, after: null } as const
const AGENT_ACTOR = { kind: 'agent', id: 'agent-1', name: 'one' } as const

let story: BlockStory

beforeAll(async () => {
  story = await openBlockStory()
})
afterAll(() => story.close())

async function labels(filter: BlockFilter): Promise<string[]> {
  const blocks = rowsOf(await listBlocks(story.reads, tenantId, filter, ALL))
  return blocks.map((block) => block.settings.label)
}

describe('a block', () => {
  it('reads back as it was written, with the version and the last hand of its head', async () => {
    const id = await story.block('organization', 'Letta', { limit: 40, tags: ['x'] })
    const agentId = await story.agent('one', [id])
    await story.change(
      id,
      { type: 'InsertText', text: 'a line', place: { at: 'end' }, numbered: true },
      { actor: { ...AGENT_ACTOR, id: agentId } },
    )
    const block = await blockById(story.reads, tenantId, id)
    expect(block).toMatchObject({
      id,
      version: 3,
      value: 'Letta\na line',
      deleted: false,
      createdBy: { kind: 'user', id: 'local' },
      updatedBy: { kind: 'agent', id: agentId, name: 'one' },
      settings: { label: 'organization', limit: 40, tags: ['x'], read_only: false, metadata: {} },
    })
  })

  it('says that it was deleted, and is null only where there never was one', async () => {
    const id = await story.block('gone')
    await story.change(id, { type: 'DeleteBlock', reason: null })
    expect(await blockById(story.reads, tenantId, id)).toMatchObject({ deleted: true, version: 2 })
    expect(await blockById(story.reads, tenantId, 'block-none')).toBeNull()
    expect(await blockById(story.reads, 'another', id)).toBeNull()
  })

  it('of a long text is read whole when the head does not hold it', async () => {
    const id = await story.block('long', 'the beginning')
    await story.change(id, {
      type: 'InsertText',
      text: 'the end',
      place: { at: 'end' },
      numbered: false,
    })
    await emptyHead(story, id)
    const block = await blockById(story.reads, tenantId, id)
    expect(block?.value).toBe('the beginning\nthe end')
  })
})

/** What the writer does to a head whose text is too long to stand there. */
async function emptyHead({ reads }: BlockStory, id: string): Promise<void> {
  await reads.db.updateTable('streams').set({ value: null }).where('stream_id', '=', id).execute()
}

describe('a list of blocks', () => {
  beforeAll(async () => {
    await story.block('plain', '100% of_it', { tags: ['a', 'b'], description: 'Some Thing' })
    await story.block('other', '100x ofxit', { tags: ['b'], project_id: 'p' })
    await story.block('secret', '', { hidden: true })
    await story.block('pattern', '', { is_template: true, template_name: 'tpl' })
    const shared = await story.block('shared')
    await story.agent('s1', [shared])
    await story.agent('s2', [shared])
  })

  it.each<[string, BlockFilter, string[]]>([
    ['label', { label: 'plain' }, ['plain']],
    ['part of the label', { labelSearch: 'LAI' }, ['plain']],
    ['part of the description', { descriptionSearch: 'some t' }, ['plain']],
    ['part of the text, in any case', { valueSearch: '100% OF' }, ['plain']],
    ['an underscore that means itself', { valueSearch: 'of_' }, ['plain']],
    ['any tag', { tags: ['a', 'zz'] }, ['plain']],
    ['all tags', { tags: ['a', 'b'], matchAllTags: true }, ['plain']],
    ['a tag several have', { tags: ['b'] }, ['plain', 'other']],
    ['project', { projectId: 'p' }, ['other']],
    ['templates alone', { templates: true }, ['pattern']],
    ['the name of a template', { templates: true, templateName: 'tpl' }, ['pattern']],
    ['more agents than', { agentsMoreThan: 1 }, ['shared']],
    ['exactly so many agents', { agentsExactly: [2, 7] }, ['shared']],
    ['fewer agents than', { agentsFewerThan: 1, labelSearch: 'a' }, ['plain']],
    ['hidden ones when asked', { label: 'secret', showHidden: true }, ['secret']],
    ['no hidden ones otherwise', { label: 'secret' }, []],
  ])('is narrowed by %s', async (_, filter, expected) => {
    const found = await labels(filter)
    const known = ['plain', 'other', 'secret', 'pattern', 'shared']
    expect(found.filter((label) => known.includes(label))).toEqual(expected)
  })

  it('counts what is not deleted, hidden ones and templates too', async () => {
    const before = await countBlocks(story.reads, tenantId)
    const id = await story.block('counted', '', { hidden: true })
    expect(await countBlocks(story.reads, tenantId)).toBe(before + 1)
    await story.change(id, { type: 'DeleteBlock', reason: null })
    expect(await countBlocks(story.reads, tenantId)).toBe(before)
  })

  it('is visited once whole, forwards and backwards, by any limit', async () => {
    const list = (page: Parameters<typeof listBlocks>[3]) =>
      listBlocks(story.reads, tenantId, {}, page)
    const asc = rowsOf(await list(ALL)).map((block) => block.id)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('asc' as const, 'desc' as const),
        fc.integer({ min: 1, max: 12 }),
        async (order, limit) => {
          const { forwards, backwards } = await paged(list, order, limit)
          const expected = order === 'asc' ? asc : [...asc].reverse()
          expect(forwards).toEqual(expected)
          expect(backwards).toEqual(expected)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('goes on behind a block that was deleted, and refuses a cursor it never gave out', async () => {
    const page = { limit: 100, order: 'asc', before: null } as const
    const first = await story.block('first')
    const second = await story.block('second')
    await story.change(first, { type: 'DeleteBlock', reason: null })
    const rest = rowsOf(await listBlocks(story.reads, tenantId, {}, { ...page, after: first }))
    expect(rest.map((block) => block.id)).toEqual([second])
    const unknown = { ...page, after: 'block-none' }
    const answer = await listBlocks(story.reads, tenantId, {}, unknown)
    expect(answer).toEqual({ unknownCursor: 'block-none' })
  })
})
