// The shared-memory tutorial, step by step, for client 0.x; only the base URL differs.
import { LettaClient } from 'letta-client-legacy'

const client = new LettaClient({ baseUrl: process.env.LETTA_BASE_URL ?? 'http://localhost:8283' })

const block = await client.blocks.create({
  label: 'organization',
  value: 'Organization: Letta',
  limit: 4000,
})
console.log(`Created shared block: ${block.id}\n`)

const agent1 = await client.agents.create({
  name: 'agent1',
  model: 'openai/gpt-4o-mini',
  blockIds: [block.id],
  tools: ['web_search'],
})
console.log(`Created agent1: ${agent1.id}`)
const agent2 = await client.agents.create({
  name: 'agent2',
  model: 'openai/gpt-4o-mini',
  tools: ['web_search'],
})
await client.agents.blocks.attach(agent2.id, block.id)
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
  { timeoutInSeconds: 120 },
)
for (const msg of response1.messages) {
  if (msg.messageType === 'assistant_message') {
    console.log(`Agent1 response: ${msg.content}`)
  }
  if (msg.messageType === 'tool_call_message') {
    console.log(`Tool call: ${msg.toolCall.name}(${JSON.stringify(msg.toolCall.arguments)})`)
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
  { timeoutInSeconds: 120 },
)
for (const msg of response2.messages) {
  if (msg.messageType === 'assistant_message') {
    console.log(`Agent2 response: ${msg.content}`)
  }
  if (msg.messageType === 'tool_call_message') {
    console.log(`Tool call: ${msg.toolCall.name}(${JSON.stringify(msg.toolCall.arguments)})`)
  }
}

const updatedBlock = await client.blocks.retrieve(block.id)
console.log('==== Updated block ====')
console.log(updatedBlock.value)
console.log('=======================\n')

const readOnlyBlock = await client.blocks.create({
  label: 'read_only_block',
  value: 'This is a read-only block.',
  readOnly: true,
})
const readOnlyAgent = await client.agents.create({
  name: 'read_only_agent',
  model: 'openai/gpt-4o-mini',
  blockIds: [readOnlyBlock.id],
})
console.log(`Created read-only agent: ${readOnlyAgent.id}`)
