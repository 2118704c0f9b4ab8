import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ChangeAgent, ChangeAgentHandler } from '#commands/change-agent.js'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import { rejection } from '#domain/errors.js'
import { by, insertion, openLog, type TestLog, tenantId } from '../../test/support/log.js'
import { readStream } from './stream-reader.js'
import type { Verdict } from './unit.js'
import type { Writer } from './writer.js'

let log: TestLog

beforeAll(async () => {
  log = await openLog()
})

afterAll(() => log.close())

describe('a unit over several streams', () => {
  const agents = (writer: Writer) => new ChangeAgentHandler(writer)
  const settings = { name: 'agent1', system: 'You are agent1.', model: 'openai/gpt-4o-mini' }

  it('is all or nothing: an agent with an unknown block leaves no agent behind', async () => {
    const writer = log.openWriter()
    const agentId = `agent-${randomUUID()}`
    const blockIds = [await log.createBlock(writer), `block-${randomUUID()}`]
    const change = { type: 'CreateAgent', settings, tools: [], blockIds, newBlocks: [] } as const
    const outcome = await agents(writer).execute(new ChangeAgent(agentId, change, by))
    expect(outcome).toMatchObject({ ok: false, rejection: { code: 'block_not_found' } })
    expect(await readStream(log.reads, tenantId, agentId, { limit: 10, order: 'asc' })).toEqual([])
  })

  it('two blocks with one label raced onto one agent: exactly one is refused', async () => {
    const [one, two] = [log.openWriter(), log.openWriter()]
    const agentId = `agent-${randomUUID()}`
    const create = {
      type: 'CreateAgent',
      settings,
      tools: [],
      blockIds: [],
      newBlocks: [],
    } as const
    await agents(one).execute(new ChangeAgent(agentId, create, by))
    const ids = [await log.createBlock(one), await log.createBlock(two)]
    const outcomes = await Promise.all(
      ids.map((blockId, i) =>
        agents(i === 0 ? one : two).execute(
          new ChangeAgent(agentId, { type: 'AttachBlock', blockId, right: null }, by),
        ),
      ),
    )
    expect(outcomes.filter((o) => o.ok)).toHaveLength(1)
    expect(outcomes.find((o) => !o.ok)).toMatchObject({ rejection: { code: 'label_taken' } })
  })

  it('a deleted block leaves every agent, and its history stays', async () => {
    const writer = log.openWriter()
    const blockId = await log.createBlock(writer, 'kept')
    const ids = [`agent-${randomUUID()}`, `agent-${randomUUID()}`]
    for (const id of ids) {
      const create = {
        type: 'CreateAgent',
        settings,
        tools: [],
        blockIds: [blockId],
        newBlocks: [],
      } as const
      await agents(writer).execute(new ChangeAgent(id, create, by))
    }
    const gone = await new ChangeBlockHandler(writer).execute(
      new ChangeBlock(blockId, { type: 'DeleteBlock', reason: null }, by),
    )
    expect(gone).toMatchObject({ ok: true, value: { version: 4 } })
    const { rows } = await log.reads.query(
      'select count(*)::int as n from attachments where block_id = $1',
      [blockId],
    )
    expect(rows[0].n).toBe(0)
    for (const id of ids) {
      const events = await readStream(log.reads, tenantId, id, { limit: 10, order: 'asc' })
      expect(events.at(-1)).toMatchObject({ type: 'BlockDetached', payload: { block_id: blockId } })
    }
    expect(
      await readStream(log.reads, tenantId, blockId, { limit: 10, order: 'asc' }),
    ).toHaveLength(4)
    expect(await writer.submit(insertion(blockId, 'late'))).toMatchObject({
      rejection: { code: 'gone' },
    })
  })
})

describe('a claim', () => {
  it('that was lost writes nothing and is told so; its neighbours are written', async () => {
    const writer = log.openWriter()
    const agentId = `agent-${randomUUID()}`
    const settings = { name: 'a', system: '', model: 'm' }
    const create = {
      type: 'CreateAgent',
      settings,
      tools: [],
      blockIds: [],
      newBlocks: [],
    } as const
    await new ChangeAgentHandler(writer).execute(new ChangeAgent(agentId, create, by))
    await log.reads.query('update mailboxes set epoch = 5 where agent_id = $1', [agentId])
    const ids = await Promise.all([
      log.createBlock(writer, 'x'),
      log.createBlock(writer, 'x'),
      log.createBlock(writer, 'x'),
    ])
    const fenced = (id: string, epoch: number): Promise<Verdict<number>> =>
      writer.submit({ ...insertion(id, 'y'), fence: { agentId, epoch } })
    const [stale, current, free] = await Promise.all([
      fenced(ids[0], 4),
      fenced(ids[1], 5),
      writer.submit(insertion(ids[2], 'y')),
    ])
    expect([stale.status, current.status, free.status]).toEqual(['fenced', 'ok', 'ok'])
    expect(await log.valueOf(ids[0])).toBe('x')

    // Refused is what was judged under a claim that holds: nobody is told so who has lost it, and the
    // answer that is kept under the id is that of whoever has it now.
    const command = { id: `cmd-${randomUUID()}`, fingerprint: Buffer.from('1') }
    const refusal = rejection('replace_no_match', 'not there')
    const refused = (epoch: number): Promise<Verdict<number>> =>
      writer.submit({
        ...insertion(ids[0], 'y'),
        command,
        fence: { agentId, epoch },
        decide: () => ({ rejection: refusal }),
      })
    expect(await refused(4)).toEqual({ status: 'fenced' })
    expect(await refused(5)).toMatchObject({ status: 'rejected', replayed: false })
    const busy = rejection('busy', 'The stream is busy')
    const unstored = { ...insertion(ids[0], 'y'), fence: { agentId, epoch: 4 } }
    expect(await writer.submit({ ...unstored, decide: () => ({ rejection: busy }) })).toEqual({
      status: 'fenced',
    })
  })
})
