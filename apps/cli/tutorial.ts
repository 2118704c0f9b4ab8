import { styleText } from 'node:util'
import { explain, StartFailure } from './start-failure.js'

/** The shared-memory tutorial against a running service, told from the log afterwards. */

const BASE = (process.env.LETTA_BASE_URL ?? `http://localhost:${process.env.PORT ?? 8283}`).replace(
  /\/$/,
  '',
)
const MODEL = 'openai/gpt-4o-mini'

interface Message {
  readonly message_type: string
  readonly content?: string
  readonly tool_call?: { readonly name: string; readonly arguments: string }
}

interface HistoryEntry {
  readonly version: number
  readonly type: string
  readonly actor: { readonly kind: string; readonly name?: string }
  readonly at: string
  readonly length: number
  readonly run_id: string | null
}

async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const key = process.env.PALIMPSEST_API_KEY ?? process.env.LETTA_API_KEY
  const response = await fetch(`${BASE}${path}`, {
    method,
    headers: {
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(key ? { authorization: `Bearer ${key}` } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  }).catch((cause) => {
    throw new StartFailure(
      `Nothing answers at ${BASE}.`,
      `The connection failed: ${cause.cause?.code ?? cause.message}.`,
      'npm start',
    )
  })
  const answer = await response.json()
  if (response.ok) return answer as T
  const { message, hint } = answer as { message?: string; hint?: string }
  throw new StartFailure(
    `${method} ${path} was refused.`,
    `${response.status}: ${message ?? 'no reason given'}`,
    hint ?? 'npm start',
  )
}

const bold = (text: string): string => styleText('bold', text)
const dim = (text: string): string => styleText('dim', text)
const say = (text = ''): void => void process.stdout.write(`${text}\n`)

async function tutorial(): Promise<void> {
  const block = await call<{ id: string }>('POST', '/v1/blocks/', {
    label: 'organization',
    value: 'Organization: Letta',
    limit: 4000,
  })
  say(`Created shared block: ${block.id}`)
  const agent1 = await createAgent('agent1', { block_ids: [block.id], tools: ['web_search'] })
  const agent2 = await createAgent('agent2', { tools: ['web_search'] })
  await call('PATCH', `/v1/agents/${agent2.id}/core-memory/blocks/attach/${block.id}`)
  say(`Created agents: ${agent1.id} (block attached at creation)`)
  say(`                ${agent2.id} (block attached afterwards)\n`)
  await ask(agent1.id, 'Agent1', 'the connection between memory blocks and Letta')
  await ask(agent2.id, 'Agent2', 'the origin of Letta')
  const { value } = await call<{ value: string }>('GET', `/v1/blocks/${block.id}`)
  say(bold('==== Updated block ===='))
  say(value)
  say(bold('=======================\n'))
  await readOnly()
  await story(block.id)
}

function createAgent(name: string, more: object): Promise<{ id: string }> {
  return call('POST', '/v1/agents/', { name, model: MODEL, ...more })
}

async function ask(agentId: string, name: string, topic: string): Promise<void> {
  const content = `Find information about ${topic}.\nInsert what you learn into the memory block, prepended with "${name}: ".`
  const { messages } = await call<{ messages: Message[] }>(
    'POST',
    `/v1/agents/${agentId}/messages`,
    {
      messages: [{ role: 'user', content }],
    },
  )
  for (const message of messages) {
    if (message.tool_call)
      say(`Tool call: ${message.tool_call.name}(${message.tool_call.arguments})`)
    if (message.message_type === 'assistant_message') say(`${name} response: ${message.content}\n`)
  }
}

async function readOnly(): Promise<void> {
  const value = 'Company Policy: Always be helpful and respectful.'
  const block = await call<{ id: string }>('POST', '/v1/blocks/', {
    label: 'policies',
    value,
    read_only: true,
  })
  const agent = await createAgent('policy_agent', { block_ids: [block.id] })
  say(`Created read-only agent: ${agent.id}`)
  const refused = await call<{ func_return: string }>(
    'POST',
    `/v1/agents/${agent.id}/tools/memory_insert/run`,
    {
      args: { label: 'policies', new_string: 'Except on Mondays.' },
    },
  )
  say(`It tries to change its policy: ${refused.func_return.split('\n').slice(0, 2).join(' ')}\n`)
}

async function story(blockId: string): Promise<void> {
  const { data } = await call<{ data: HistoryEntry[] }>(
    'GET',
    `/v1/blocks/${blockId}/history?order=asc&limit=100`,
  )
  say(bold("What just happened (from the event log, not from the agents' words)"))
  say(dim('  v   when      who      event           characters'))
  let before = 0
  for (const { version, at, actor, type, length, run_id } of data) {
    const who = (actor.kind === 'agent' ? actor.name : 'you') ?? 'you'
    const growth = length === before ? '' : `+${length - before}`
    before = length
    const columns = [
      `v${version}`.padEnd(3),
      at.slice(11, 19),
      who.padEnd(8),
      type.padEnd(15),
      growth.padEnd(5),
    ]
    say(`  ${columns.join(' ')} ${run_id ? dim(run_id) : ''}`.trimEnd())
  }
  say()
  say(`The block's history:  curl ${BASE}/v1/blocks/${blockId}/history`)
  say(`As it was at v4:      curl '${BASE}/v1/blocks/${blockId}?at_version=4'`)
}

try {
  await tutorial()
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  process.exitCode = 1
}
