import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { Pool } from 'pg'
import { ChangeTurn, ChangeTurnHandler } from '#commands/change-turn.js'
import type { Door } from '#commands/metadata.js'
import { readStream } from '#event-store/stream-reader.js'
import type { Verdict } from '#event-store/unit.js'
import { WRITER_SETTINGS, Writer } from '#event-store/writer.js'
import { createPool } from '#postgres/database.js'
import { project } from '#read-models/projection.js'
import { requested } from '../../test/support/turn-commands.js'
import { openTurnStory, type TurnStory } from '../../test/support/turn-story.js'
import { type Claim, claimMailbox } from './mailbox.js'
import { Fenced, TurnJournal } from './turn-journal.js'

const START = { type: 'StartTurn', workerId: 'worker-1', first: requested(1) } as const

let story: TurnStory
let writes: Pool
let writer: Writer
let verdicts: Verdict<unknown>[] = []
/** Called with every verdict, before the journal reads it. */
let onVerdict = async (_verdict: Verdict<unknown>): Promise<void> => {}

beforeAll(async () => {
  story = await openTurnStory()
  const settings = { ...WRITER_SETTINGS, lock_timeout: '50' }
  writes = createPool(story.pool.options.connectionString as string, { max: 2, settings })
  writer = new Writer({ writes, reads: story.pool, project })
})

afterAll(async () => {
  await writer.close()
  await writes.end()
  await story.close()
})

async function claimed(agentId: string, workerId: string): Promise<Claim> {
  const box = await claimMailbox(story.pool, 'default', agentId, workerId)
  if (!box) throw new Error(`${agentId} cannot be claimed`)
  return box.claim
}

async function journalOf(signal = new AbortController().signal) {
  verdicts = []
  const handler = new ChangeTurnHandler(writer)
  const execute: Door = async (command) => {
    const verdict = await handler.execute(command as unknown as ChangeTurn)
    verdicts.push(verdict)
    await onVerdict(verdict)
    return verdict as never
  }
  const agentId = await story.createAgent()
  const runId = await story.queue(agentId, 'go')
  const claim = await claimed(agentId, 'worker-1')
  const options = { execute, streams: writer.streams, workerId: 'worker-1' }
  const journal = new TurnJournal(options, claim, runId, signal)
  await journal.read()
  return { journal, runId, agentId }
}

async function locked(runId: string): Promise<() => Promise<void>> {
  const client = await story.pool.connect()
  await client.query('begin')
  await client.query('select 1 from streams where stream_id = $1 for update', [runId])
  return async () => {
    await client.query('commit')
    client.release()
  }
}

describe('the journal of a turn', () => {
  it('tries a commit again while its stream is busy: what was paid for is not thrown away', async () => {
    const { journal, runId } = await journalOf()
    const unlock = await locked(runId)
    onVerdict = async () => {
      onVerdict = async () => {}
      await unlock()
    }
    await journal.commit(START, 'started')
    expect(verdicts).toMatchObject([
      { status: 'rejected', rejection: { code: 'busy' } },
      { status: 'ok' },
    ])
    const events = await readStream(story.pool, 'default', runId, { limit: 10, order: 'asc' })
    expect(events.map((event) => event.type)).toEqual([
      'TurnQueued',
      'TurnStarted',
      'ModelRequested',
    ])
    expect(journal.state).toMatchObject({ status: 'running', version: 3 })
  })

  it('knows what somebody else has written to the turn before its own commit', async () => {
    const { journal, runId, agentId } = await journalOf()
    await journal.commit(START, 'started')
    const by = { tenantId: 'default', actor: { kind: 'user', id: 'ann' } } as const
    const asked = new ChangeTurn(runId, agentId, { type: 'RequestCancel' }, by)
    await new ChangeTurnHandler(writer).execute(asked)
    const failure = {
      class: 'x',
      retriable: false,
      detail: '',
      stop_reason: 'error',
      facts: {},
    } as const
    await journal.commit({ type: 'FailTurn', failure }, 'failed')
    expect(journal.state).toMatchObject({ status: 'failed', version: 5, cancelRequested: by.actor })
  })

  it('gives up trying when its worker stops', async () => {
    const stopping = new AbortController()
    const { journal, runId } = await journalOf(stopping.signal)
    const unlock = await locked(runId)
    onVerdict = async () => stopping.abort(new Error('the worker stops'))
    await expect(journal.commit(START, 'started')).rejects.toThrow()
    onVerdict = async () => {}
    await unlock()
    expect(verdicts).toHaveLength(1)
  })

  it('stops at once when somebody else has the agent', async () => {
    const { journal, agentId, runId } = await journalOf()
    await story.pool.query('update mailboxes set epoch = epoch + 1 where agent_id = $1', [agentId])
    await expect(journal.commit(START, 'started')).rejects.toThrow(Fenced)
    expect(
      await readStream(story.pool, 'default', runId, { limit: 10, order: 'asc' }),
    ).toHaveLength(1)
  })

  it('writes nothing under a claim that a crash of the server took back, though its epoch is the newest again', async () => {
    const { journal, agentId, runId } = await journalOf()
    // The claim had not come to the disk.
    await story.pool.query(
      'update mailboxes set epoch = 0, owner = null where agent_id = $1 and epoch = 1',
      [agentId],
    )
    const { epoch } = await claimed(agentId, 'worker-2')
    expect(epoch).toBe(1)
    await expect(journal.commit(START, 'started')).rejects.toThrow(Fenced)
    // Control: the epoch alone would let it through.
    const actor = { kind: 'system', id: 'worker-1' } as const
    const unnamed = new ChangeTurn(runId, agentId, START, { tenantId: 'default', actor, epoch })
    expect(await new ChangeTurnHandler(writer).execute(unnamed)).toMatchObject({ status: 'ok' })
  })
})
