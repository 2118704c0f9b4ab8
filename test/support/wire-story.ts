import { randomUUID } from 'node:crypto'
import type { Story } from './client-calls.js'
import { makeAgent, makeBlock, type Rest } from './rest.js'

/** An agent with a block and two runs, one of which searched and inserted, over the product's own wire. */
export async function tellWireStory(rest: Rest): Promise<Story> {
  const label = 'team/organization é'
  const block = await makeBlock(rest, { label, value: 'Organization: Letta', limit: 4_000 })
  const agent = await makeAgent(rest, [block.id], { tools: ['web_search'] })
  const ask =
    'Find information about memory blocks.\nInsert what you learn into the memory block, prepended with "Agent1: ".'
  const send = (content: string) =>
    rest('POST', `/v1/agents/${agent.id}/messages`, { messages: [{ role: 'user', content }] })
  const answers = [await send(ask), await send('hello')]
  for (const { status, text } of answers) if (status !== 200) throw new Error(text)
  const runId = answers[0]?.headers['x-run-id'] as string
  const steps = await rest<{ id: string }[]>('GET', `/v1/runs/${runId}/steps`)
  const yearly = { cron: '0 0 1 1 *', input: 'A new year.' }
  const schedule = await rest<{ id: string }>('POST', `/v1/agents/${agent.id}/schedules`, yearly)
  const tool = async () => {
    const json_schema = { name: `tool_${randomUUID().slice(0, 8)}` }
    return (await rest<{ id: string }>('POST', '/v1/tools/', { json_schema })).body.id
  }
  return {
    agentId: agent.id,
    blockId: block.id,
    label,
    runId,
    stepId: steps.body[0]?.id as string,
    toolId: await tool(),
    scheduleId: schedule.body.id,
    async spare() {
      const [spareBlock, spareAgent] = [await makeBlock(rest), await makeAgent(rest)]
      return { block: spareBlock.id, agent: spareAgent.id, tool: await tool() }
    },
  }
}
