import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { type PastAsked, type PastMessageOfRun, Pasts } from './past.js'

const TENANT = 'default'
const TURNS = 40
const LAST = 1_000

let story: TurnStory
let long: string
let short: string
let forgetful: string
let forgotten: string

beforeAll(async () => {
  story = await openTurnStory()
  const talk = async (turns: number): Promise<[agentId: string, runIds: string[]]> => {
    const agentId = await story.createAgent()
    const runIds: string[] = []
    for (let n = 1; n <= turns; n++) {
      runIds.push(await story.run(agentId, `say ${n}`, [{ reply: { content: `re ${n}` } }]))
    }
    return [agentId, runIds]
  }
  long = (await talk(TURNS))[0]
  short = (await talk(2))[0]
  const [agentId, runIds] = await talk(3)
  forgetful = agentId
  forgotten = runIds[1] as string
})

afterAll(() => story.close())

const asked = (agentId: string, more: Partial<PastAsked> = {}): PastAsked => ({
  agentId,
  seq: LAST,
  resetThrough: null,
  summary: 'any',
  ...more,
})

/** What was read, and in how many statements. */
async function read(all: readonly PastAsked[]): Promise<{ said: string[][]; statements: number }> {
  let statements = 0
  const counting = {
    query: (...of: Parameters<Pool['query']>) => {
      statements += 1
      return story.pool.query(...of)
    },
  } as unknown as Pool
  const pasts = new Pasts(counting)
  const found = await Promise.all(all.map((one) => pasts.of(TENANT, one)))
  for (const past of found) expect(past.total).toBe(past.messages.length)
  const textOf = ({ content }: PastMessageOfRun) => String('content' in content && content.content)
  return { said: found.map((past) => past.messages.map(textOf)), statements }
}

describe('the past of turns that ask at the same time', () => {
  it('is each one’s own, as far as it is not forgotten, from one statement', async () => {
    const all = [
      asked(short),
      asked(forgetful, { resetThrough: forgotten }),
      asked(short, { seq: 2 }),
      asked(short, { seq: 1 }),
    ]
    const { said, statements } = await read(all)
    expect(said).toEqual([
      ['say 1', 're 1', 'say 2', 're 2'],
      ['say 3', 're 3'],
      ['say 1', 're 1'],
      [],
    ])
    expect(statements).toBe(1)
  })

  it('is whole where one has more than is read together; who has less needs no second statement', async () => {
    const others = Array.from({ length: 31 }, (_, n) => asked(short, { seq: LAST + n }))
    const { said, statements } = await read([asked(long), ...others])
    const whole = Array.from({ length: TURNS }, (_, n) => [`say ${n + 1}`, `re ${n + 1}`]).flat()
    expect(said[0]).toEqual(whole)
    expect(said.slice(1).every((texts) => texts.length === 4)).toBe(true)
    expect(statements).toBe(2)
  })

  it('ends at the 2,000 newest messages, and says how many there are in all', async () => {
    const agentId = await story.createAgent()
    const runId = await story.run(agentId, 'first', [{ reply: { content: 'last' } }])
    await story.pool.query(
      `insert into messages
       select (jsonb_populate_record(m, jsonb_build_object('message_id', 'message-' || n, 'item', n))).*
         from messages m, generate_series(1000, 3099) n where m.run_id = $1 and m.role = 'user'`,
      [runId],
    )
    const pasts = new Pasts(story.pool)
    const alone = await pasts.of(TENANT, asked(agentId))
    const [together] = await Promise.all(
      [asked(agentId), asked(short)].map((of) => pasts.of(TENANT, of)),
    )
    for (const past of [alone, together]) {
      expect([past?.messages.length, past?.total]).toEqual([2_000, 2_102])
      expect(past?.messages.at(-1)?.content).toMatchObject({ content: 'last' })
    }
  })
})
