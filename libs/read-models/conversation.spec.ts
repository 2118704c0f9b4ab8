import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { sql } from 'kysely'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { type ConversationSearch, searchConversation } from './conversation.js'

const EVERYTHING: ConversationSearch = {
  query: null,
  roles: ['user', 'assistant'],
  limit: 10,
  from: null,
  until: null,
}

let story: TurnStory
let agentId: string

beforeAll(async () => {
  story = await openTurnStory()
  agentId = await story.createAgent()
  const other = await story.createAgent()
  await story.run(other, 'a whale of another agent', [{ reply: { content: 'a whale' } }])
  const said = [
    ['The blue whale sings.', 'A whale is a whale, a blue whale, blue.'],
    ['Der blaue Wal schläft 100%.', 'Gute Nacht.'],
    [`long ${'word '.repeat(30_000)} the_end`, 'ok'],
  ] as const
  for (const [text, content] of said) await story.run(agentId, text, [{ reply: { content } }])
})

afterAll(() => story.close())

async function found(search: Partial<ConversationSearch>): Promise<string[]> {
  const rows = await searchConversation(story.db, 'default', agentId, { ...EVERYTHING, ...search })
  return rows.map(({ content }) => String('content' in content && content.content).slice(0, 11))
}

describe('a search of the conversation', () => {
  it('finds the messages that have the words, in any order and case, the best match first', async () => {
    expect(await found({ query: 'WHALE blue' })).toEqual(['A whale is ', 'The blue wh'])
    expect(await found({ query: 'whale -sings' })).toEqual(['A whale is '])
    expect(await found({ query: '"blue whale sings"' })).toEqual(['The blue wh'])
    expect(await found({ query: 'nacht or sings' })).toHaveLength(2)
  })

  it('finds text inside words where no words match, and takes % and _ for themselves', async () => {
    expect(await found({ query: 'chläf' })).toEqual(['Der blaue W'])
    expect(await found({ query: '0%' })).toEqual(['Der blaue W'])
    expect(await found({ query: 'th__end' })).toEqual([])
  })

  it('finds the end of a message that is too long for the index', async () => {
    expect(await found({ query: 'the_end' })).toEqual(['long word w'])
  })

  it('fails at nothing that a model may write', async () => {
    for (const query of ['"', "'", '& | !', '()', ':*', '\\', '-', '<->', '   ']) {
      await expect(found({ query })).resolves.toBeDefined()
    }
  })

  it('keeps to the agent, the roles, the time and the limit; without a query the newest come first', async () => {
    expect(await found({ limit: 2 })).toEqual(['ok', 'long word w'])
    expect(await found({ query: 'whale', roles: ['user'] })).toEqual(['The blue wh'])
    const end = new Date(Date.now() + 60_000)
    expect(await found({ query: 'whale', from: end })).toEqual([])
    expect(await found({ query: 'whale', until: end, limit: 1 })).toEqual(['A whale is '])
  })

  it('looks at the texts of a message of several parts, and at nothing else of them', async () => {
    const parts = [
      { type: 'text', text: 'Blue whale' },
      { type: 'image', url: 'x' },
      { text: 'sings' },
    ]
    const { rows } = await sql<{ words: string }>`
      select message_words(${JSON.stringify({ content: parts })}::json)::text as words`.execute(
      story.db,
    )
    expect(rows[0]?.words).toBe("'blue':1 'sings':3 'whale':2")
  })

  it('can be answered from the index', async () => {
    const plan = await story.db.transaction().execute(async (trx) => {
      await sql`set local enable_seqscan = off`.execute(trx)
      await sql`set local enable_indexscan = off`.execute(trx)
      const { rows } = await sql`explain select * from messages
        where message_words(content) @@ websearch_to_tsquery('simple', 'whale')`.execute(trx)
      return JSON.stringify(rows)
    })
    expect(plan).toContain('messages_searched')
  })
})
