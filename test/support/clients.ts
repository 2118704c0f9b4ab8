import Letta from '@letta-ai/letta-client'
import { LettaClient } from 'letta-client-legacy'

/** What the tutorial's programs do, said once, so that both generations of the client run one test. */
export interface TutorialClient {
  readonly generation: '1.x' | '0.x'
  createBlock(block: {
    label: string
    value: string
    limit?: number
    readOnly?: boolean
  }): Promise<{ id: string; value: string }>
  createAgent(agent: {
    name: string
    blockIds?: string[]
    tools?: string[]
  }): Promise<{ id: string }>
  attach(agentId: string, blockId: string): Promise<unknown>
  /** Every message as the program reads it: 0.x in camelCase, 1.x in snake_case. */
  send(agentId: string, text: string): Promise<{ type: string; text: string }[]>
  retrieveBlock(blockId: string): Promise<{ value: string }>
}

const MODEL = 'openai/gpt-4o-mini'
/** The tutorial gives each message two minutes. */
const TIMEOUT_S = 120

export function newClient(baseURL: string): TutorialClient {
  const client = new Letta({ apiKey: 'sk-ignored', baseURL })
  return {
    generation: '1.x',
    createBlock: ({ readOnly, ...block }) =>
      client.blocks.create({
        ...block,
        ...(readOnly === undefined ? {} : { read_only: readOnly }),
      }) as never,
    createAgent: ({ blockIds, ...agent }) =>
      client.agents.create({
        ...agent,
        model: MODEL,
        ...(blockIds ? { block_ids: blockIds } : {}),
      }),
    attach: (agentId, blockId) => client.agents.blocks.attach(blockId, { agent_id: agentId }),
    async send(agentId, content) {
      const response = await client.agents.messages.create(
        agentId,
        { messages: [{ role: 'user', content }] },
        { timeout: TIMEOUT_S * 1_000 },
      )
      return response.messages.map((message) => {
        if (message.message_type === 'tool_call_message') {
          return { type: message.message_type, text: calls(message.tool_call as never) }
        }
        const text = 'content' in message ? message.content : ''
        return { type: String(message.message_type), text: String(text) }
      })
    },
    retrieveBlock: (blockId) => client.blocks.retrieve(blockId) as never,
  }
}

export function legacyClient(baseUrl: string): TutorialClient {
  const client = new LettaClient({ token: 'sk-ignored', baseUrl })
  return {
    generation: '0.x',
    createBlock: (block) => client.blocks.create(block) as never,
    createAgent: (agent) => client.agents.create({ ...agent, model: MODEL }),
    attach: (agentId, blockId) => client.agents.blocks.attach(agentId, blockId),
    async send(agentId, content) {
      const response = await client.agents.messages.create(
        agentId,
        { messages: [{ role: 'user', content }] },
        { timeoutInSeconds: TIMEOUT_S },
      )
      return response.messages.map((message) => {
        if (message.messageType === 'tool_call_message') {
          return { type: message.messageType, text: calls(message.toolCall as never) }
        }
        const text = 'content' in message ? message.content : ''
        return { type: String(message.messageType), text: String(text) }
      })
    },
    retrieveBlock: (blockId) => client.blocks.retrieve(blockId) as never,
  }
}

/** As the tutorial prints a call: the arguments are JSON text, which it puts into JSON once more. */
function calls({ name, arguments: args }: { name: string; arguments: string }): string {
  return `${name}(${JSON.stringify(args)})`
}
