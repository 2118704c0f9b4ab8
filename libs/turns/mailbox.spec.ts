import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { until } from '../../test/support/feed-load.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import {
  type ClaimedMailbox,
  claimMailbox,
  claimMailboxes,
  releaseEmpty,
  releaseMailbox,
  renewLease,
} from './mailbox.js'

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

describe('a mailbox', () => {
  /** What would be waited for at the commit of a transaction in which `work` was done. */
  async function commitAfter(work: (client: pg.PoolClient) => Promise<unknown>): Promise<string> {
    const client = await story.pool.connect()
    await client.query('begin; set local synchronous_commit = on')
    await work(client)
    const { rows } = await client.query('show synchronous_commit')
    await client.query('commit')
    client.release()
    return rows[0].synchronous_commit
  }

  it('is claimed and given back without waiting for the disk; control: a lease waits', async () => {
    const [agentId] = (await waiting(1)) as [string]
    const claims: (ClaimedMailbox | null)[] = []
    const took = await commitAfter(async (client) => {
      claims.push(await claimMailbox(client, 'default', agentId, 'a'))
    })
    const gave = await commitAfter((client) =>
      releaseMailbox(client, (claims[0] as ClaimedMailbox).claim),
    )
    expect([took, gave]).toEqual(['off', 'off'])
    expect(await commitAfter((client) => renewLease(client, 'a'))).toBe('on')
  })

  it('is claimed together with its oldest turn, and given back only when nothing waits there', async () => {
    const [agentId] = (await waiting(1)) as [string]
    const box = (await claimMailbox(story.pool, 'default', agentId, 'a')) as ClaimedMailbox
    const { claim: held, next } = box
    expect(next).toMatchObject({ seq: 1, isNew: true })
    expect(await releaseEmpty(story.pool, held)).toBe(false)
    expect(await ownersOf([agentId])).toEqual(['a'])
    await story.pool.query('update mailboxes set epoch = 0 where agent_id = $1', [agentId])
    await story.fail(agentId, next?.runId ?? '', 'x')
    // Somebody else has claimed it meanwhile, or was given the same epoch by a crash of the server.
    expect(await releaseEmpty(story.pool, held)).toBe(false)
    expect(await releaseEmpty(story.pool, { ...held, epoch: 0, owner: 'b' })).toBe(false)
    expect(await releaseEmpty(story.pool, { ...held, epoch: 0 })).toBe(true)
    expect(await ownersOf([agentId])).toEqual([null])
  })
})

describe('mailboxes claimed together', () => {
  it('go to one worker each when two ask at the same moment, and their epochs rise by one', async () => {
    const agents = await waiting(12)
    const [a, b] = await Promise.all([claim(agents, 'a'), claim([...agents].reverse(), 'b')])
    const owners = await ownersOf(agents)
    for (const [n, agentId] of agents.entries()) {
      const claims = [a.get(agentId), b.get(agentId)]
      const won =
        owners[n] === 'a' ? [{ claim: { epoch: 1 } }, null] : [null, { claim: { epoch: 1 } }]
      expect(claims).toMatchObject(won)
    }
  })

  it('are those where something waits that no living worker has', async () => {
    const [free, taken] = (await waiting(2)) as [string, string]
    const empty = await story.createAgent()
    await claim([taken], 'b')
    const claims = await claim([free, taken, empty, 'agent-nobody'], 'a')
    expect(claims.get(free)).toMatchObject({ claim: { agentId: free, epoch: 1 }, pending: 1 })
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
