// The shared-memory tutorial, step by step, for client 1.x; only the base URL differs.
import Letta from '@letta-ai/letta-client'

const client = new Letta({ baseURL: process.env.LETTA_BASE_URL ?? 'http://localhost:8283' })

const block = await client.blocks.create({
  label: 'organization',
  value: 'Organization: Letta',
  limit: 4000,
})
console.log(`Created shared block: ${block.id}\n`)

const agent1 = await client.agents.create({
  name: 'agent1',
  model: 'openai/gpt-4o-mini',
  block_ids: [block.id],
  tools: ['web_search'],
})
console.log(`Created agent1: ${agent1.id}`)
const agent2 = await client.agents.create({
  name: 'agent2',
  model: 'openai/gpt-4o-mini',
  tools: ['web_search'],
})
await client.agents.blocks.attach(block.id, { agent_id: agent2.id })
console.log(`Created agent2: ${agent2.id}`)
console.log(`Attached block to agent2\n`)

const response1 = await client.agents.messages.create(
  agent1.id,
  {
    messages: [
      {
        role: 'user',
        content: `Find information about the connection between memory blocks and Letta.
Insert what you learn into the memory block, prepended with "Agent1: ".`,
      },
    ],
  },
  { timeout: 120_000 },
)
for (const msg of response1.messages) {
  if (msg.message_type === 'assistant_message') {
    console.log(`Agent1 response: ${msg.content}`)
  }
  if (msg.message_type === 'tool_call_message') {
    console.log(`Tool call: ${msg.tool_call.name}(${JSON.stringify(msg.tool_call.arguments)})`)
  }
}
const response2 = await client.agents.messages.create(
  agent2.id,
  {
    messages: [
      {
        role: 'user',
        content: `Find information about the origin of Letta.
Insert what you learn into the memory block, prepended with "Agent2: ".`,
      },
    ],
  },
  { timeout: 120_000 },
)
for (const msg of response2.messages) {
  if (msg.message_type === 'assistant_message') {
    console.log(`Agent2 response: ${msg.content}`)
  }
  if (msg.message_type === 'tool_call_message') {
    console.log(`Tool call: ${msg.tool_call.name}(${JSON.stringify(msg.tool_call.arguments)})`)
  }
}

const updatedBlock = await client.blocks.retrieve(block.id)
console.log('==== Updated block ====')
console.log(updatedBlock.value)
console.log('=======================\n')

const readOnlyBlock = await client.blocks.create({
  label: 'read_only_block',
  value: 'This is a read-only block.',
  read_only: true,
})
const readOnlyAgent = await client.agents.create({
  name: 'read_only_agent',
  model: 'openai/gpt-4o-mini',
  block_ids: [readOnlyBlock.id],
})
console.log(`Created read-only agent: ${readOnlyAgent.id}`)
