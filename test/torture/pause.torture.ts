import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { gate, openTurnStage, type TurnStage } from '../support/turn-stage.js'

let stage: TurnStage
let paused: ChildProcess
let pausedId: string

beforeAll(async () => {
  stage = await openTurnStage({ workers: 0 })
  const env = {
    ...process.env,
    DATABASE_URL: stage.product.databaseUrl,
    PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
    PALIMPSEST_DATA_DIR: stage.product.config.dataDir,
    REDIS_URL: '',
    OPENAI_BASE_URL: stage.model.url,
    OPENAI_API_KEY: 'none',
  }
  paused = fork(join('test', 'support', 'killed-worker.mjs'), { env })
  const [ready] = (await once(paused, 'message')) as [{ workerId: string }]
  pausedId = ready.workerId
})

afterAll(async () => {
  paused.kill('SIGKILL')
  await stage.close()
})

describe('a worker paused with SIGSTOP until its lease has run out', () => {
  it.each([1, 2, 3])('and then let go on writes nothing late, trial %i', async () => {
    const block = await stage.block('a')
    const agent = await stage.agent([block])
    const insert = (new_string: string) => ({
      toolCalls: [{ name: 'memory_insert', arguments: { label: 'notes', new_string } }],
    })
    const late = gate()
    stage.model.reset()
    stage.model.script([{ ...insert('late'), holdUntil: late.opened }])
    const runId = await stage.sendAsync(agent, 'go')
    await stage.model.requestsArrived(1)
    paused.kill('SIGSTOP')
    await stage.sql.query(
      'update workers set lease_until = clock_timestamp() where worker_id = $1',
      [pausedId],
    )
    stage.model.script([insert('b'), { text: 'done' }])
    const other = await stage.product.startWorker()
    await stage.ended(runId)
    await other.close()
    const events = await stage.events(runId)

    late.open()
    paused.kill('SIGCONT')
    stage.model.script([{ text: 'by the one that was paused' }])
    expect((await stage.send(agent, 'next')).status).toBe(200)
    expect(await stage.events(runId)).toEqual(events)
    expect(events.filter((event) => event.type === 'ModelResponded')).toHaveLength(2)
    const edits = await stage.events(block.id, /^Text/)
    expect(edits.map((event) => event.payload.intent.text)).toEqual(['b'])
    stage.model.assertConsumed()
  })
})
