// The shared-memory tutorial's full program for client 1.x; only the base URL differs.
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
const agent2 = await client.agents.create({
  name: 'agent2',
  model: 'openai/gpt-4o-mini',
  tools: ['web_search'],
})
await client.agents.blocks.attach(block.id, { agent_id: agent2.id })
console.log(`Created agents: ${agent1.id}, ${agent2.id}\n`)

await client.agents.messages.create(
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
await client.agents.messages.create(
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

const updatedBlock = await client.blocks.retrieve(block.id)
console.log('==== Updated block ====')
console.log(updatedBlock.value)
console.log('=======================\n')

const readOnlyBlock = await client.blocks.create({
  label: 'policies',
  value: 'Company Policy: Always be helpful and respectful.',
  read_only: true,
})
const readOnlyAgent = await client.agents.create({
  name: 'policy_agent',
  model: 'openai/gpt-4o-mini',
  block_ids: [readOnlyBlock.id],
})
console.log(`Created read-only agent: ${readOnlyAgent.id}`)
