import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { until } from '../../test/support/feed-load.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { claimMailboxes, renewLease } from './mailbox.js'

let story: TurnStory

beforeAll(async () => {
  story = await openTurnStory()
  for (const workerId of ['a', 'b']) await renewLease(story.pool, workerId)
})

afterAll(() => story.close())

const claim = (agentIds: readonly string[], workerId: string) =>
  claimMailboxes(story.pool, 'default', agentIds, workerId)

async function waiting(count: number): Promise<string[]> {
  const agents: string[] = []
  for (let n = 0; n < count; n++) {
    const agentId = await story.createAgent()
    await story.queue(agentId, 'go')
    agents.push(agentId)
  }
  return agents
}

async function ownersOf(agentIds: readonly string[]): Promise<(string | null)[]> {
  const { rows } = await story.pool.query<{ owner: string | null }>(
    `select m.owner from unnest($1::text[]) with ordinality a(agent_id, n)
       join mailboxes m using (agent_id) order by a.n`,
    [agentIds],
  )
  return rows.map((row) => row.owner)
}

describe('mailboxes claimed together', () => {
  it('go to one worker each when two ask at the same moment, and their epochs rise by one', async () => {
    const agents = await waiting(12)
    const [a, b] = await Promise.all([claim(agents, 'a'), claim([...agents].reverse(), 'b')])
    const owners = await ownersOf(agents)
    for (const [n, agentId] of agents.entries()) {
      const claims = [a.get(agentId), b.get(agentId)]
      const won = owners[n] === 'a' ? [{ epoch: 1 }, null] : [null, { epoch: 1 }]
      expect(claims).toMatchObject(won)
    }
  })

  it('are those where something waits that no living worker has', async () => {
    const [free, taken] = (await waiting(2)) as [string, string]
    const empty = await story.createAgent()
    await claim([taken], 'b')
    const claims = await claim([free, taken, empty, 'agent-nobody'], 'a')
    expect(claims.get(free)).toEqual({ tenantId: 'default', agentId: free, epoch: 1 })
    expect([taken, empty, 'agent-nobody'].map((id) => claims.get(id))).toEqual([null, null, null])
  })

  it('do not wait for one that is locked; that one is waited for alone', async () => {
    const agents = await waiting(3)
    const locker = new pg.Client({ connectionString: story.pool.options.connectionString })
    await locker.connect()
    await locker.query('begin')
    await locker.query('select from mailboxes where agent_id = $1 for update', [agents[0]])
    const claims = claim(agents, 'a')
    await until(async () => (await ownersOf(agents)).includes('a'))
    expect(await ownersOf(agents)).toEqual([null, 'a', 'a'])
    await locker.query('commit')
    expect([...(await claims).values()]).not.toContain(null)
    expect(await ownersOf(agents)).toEqual(['a', 'a', 'a'])
    await locker.end()
  })
})
