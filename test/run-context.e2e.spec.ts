import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { rebuildReadModels } from '#read-models/rebuild.js'
import { openTurnStage, type TurnStage } from './support/turn-stage.js'

interface Context {
  readonly step: number
  readonly messages: { role: string; content: string | null; tool_call_id?: string }[]
  readonly tools: { name: string }[]
  readonly context_hash: string
  readonly request_hash: string
  readonly verified: boolean
  readonly differs_in: string | null
}

let stage: TurnStage

beforeAll(async () => {
  stage = await openTurnStage()
})

afterAll(async () => {
  await stage.close()
  expect(stage.product.logged).toEqual([])
})

const insert = (new_string: string) => ({
  toolCalls: [{ name: 'memory_insert', arguments: { label: 'notes', new_string } }],
})
const replace = (old_string: string, new_string: string) => ({
  toolCalls: [{ name: 'memory_replace', arguments: { label: 'notes', old_string, new_string } }],
})

async function contextOf(runId: string, step?: number): Promise<Context> {
  const query = step === undefined ? '' : `?step=${step}`
  const answer = await stage.rest<Context>('GET', `/v1/runs/${runId}/context${query}`)
  expect(answer.status).toBe(200)
  return answer.body
}

async function ran(agent: string, text: string): Promise<string> {
  const runId = await stage.sendAsync(agent, text)
  await stage.ended(runId)
  return runId
}

describe('the context of a step', () => {
  it('is what the model was sent, to the byte, whatever was edited, renamed, detached, deleted or rebuilt since', async () => {
    const block = await stage.block('first line 😀')
    const agent = await stage.agent([block])
    stage.model.script([
      ...[insert('second line'), replace('absent', 'x'), { text: 'done' }],
      ...[insert('third line'), { text: 'done again' }],
    ])
    const runs = [await ran(agent, 'go'), await ran(agent, 'go on')]
    stage.model.assertConsumed()
    const { rest } = stage
    const path = `/v1/blocks/${block.id}`
    await rest('POST', `${path}/rethink`, { new_memory: 'all new' })
    await rest('PATCH', path, { label: 'renamed', description: 'other', limit: 10_000 })
    await rest('PATCH', `/v1/agents/${agent}`, { system: 'You are somebody else.', name: 'x' })
    await rest('PATCH', `/v1/agents/${agent}/core-memory/blocks/detach/${block.id}`)
    await rest('DELETE', path)
    stage.model.script([{ text: 'later' }])
    await ran(agent, 'afterwards')
    await rest('DELETE', `/v1/agents/${agent}`)
    await rebuildReadModels(stage.sql, 'default')

    const asked = [...stage.model.requests]
    for (const runId of runs) {
      const requests = await stage.events(runId, /^ModelRequested$/)
      for (const { payload } of requests) {
        const context = await contextOf(runId, payload.step)
        expect(context).toMatchObject({ step: payload.step, verified: true, differs_in: null })
        expect(context.context_hash).toBe(payload.context_hash)
        expect(context.request_hash).toBe(payload.request_hash)
        const sent = asked.shift()
        expect(context.messages.map(said)).toEqual(sent?.messages.map(said))
        expect(context.tools.map((tool) => tool.name)).toEqual(sent?.toolNames)
      }
      expect((await contextOf(runId)).step).toBe(requests.length)
    }
  })

  it('that cannot be made again says so: tools are no events, and a stored message can be forged', async () => {
    const { rest } = stage
    const json_schema = { name: `look_${randomUUID().slice(0, 8)}`, description: 'Looks.' }
    const tool = (await rest<{ id: string }>('POST', '/v1/tools/', { json_schema })).body
    const agent = await stage.agent()
    await rest('PATCH', `/v1/agents/${agent}/tools/attach/${tool.id}`)
    stage.model.script([{ text: 'one' }, { text: 'two' }])
    await ran(agent, 'first')
    const runId = await ran(agent, 'second')
    expect(await contextOf(runId)).toMatchObject({ verified: true, differs_in: null })
    const changed = { json_schema: { ...json_schema, description: 'Looks twice.' } }
    expect(await rest('PATCH', `/v1/tools/${tool.id}`, changed)).toMatchObject({ status: 200 })
    expect(await contextOf(runId)).toMatchObject({ verified: false, differs_in: 'request' })
    await stage.sql.query(
      `update messages set content = '{"content":"forged"}' where agent_id = $1 and role = 'user'`,
      [agent],
    )
    expect(await contextOf(runId)).toMatchObject({ verified: false, differs_in: 'messages' })
  })

  it('is refused where there is none: an unknown run, a step that was not asked, a turn that waits', async () => {
    const agent = await stage.agent()
    stage.model.script([{ text: 'done' }])
    const runId = await ran(agent, 'go')
    const unknown = `run-${randomUUID()}`
    for (const [path, status, code] of [
      [`${unknown}/context`, 404, 'run_not_found'],
      [`${runId}/context?step=2`, 404, 'step_not_found'],
      [`${runId}/context?step=0`, 422, 'invalid_query'],
      [`${runId}/context?at=1`, 422, 'invalid_query'],
      [`${await stage.queueSilently(agent, 'wait')}/context`, 404, 'step_not_found'],
      ['run-1/context', 422, 'invalid_id'],
    ] as const) {
      const answer = await stage.rest('GET', `/v1/runs/${path}`)
      expect(answer).toMatchObject({ status, body: { code } })
      expect(answer.faults()).toEqual([])
    }
  })
})

function said({ role, content, tool_call_id }: Context['messages'][number]) {
  return { role, content, tool_call_id }
}
