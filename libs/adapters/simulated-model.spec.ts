import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { ModelMessage, ModelRequest, ModelResponse, ModelTool } from '#turns/ports.js'
import { ModelFailure } from '#turns/ports.js'
import { readConfig } from './config.js'
import { openProviders, type Providers } from './providers.js'

const NEVER = new AbortController().signal
const TUTORIAL = `Find information about the connection between memory blocks and Letta.

Insert what you learn into the memory block, prepended with "Agent1: ".`
const CHAT_TOOLS = ['conversation_search', 'memory_insert', 'memory_replace', 'web_search']
const STEPS_MAX = 6

let providers: Providers

beforeAll(async () => {
  providers = await openProviders(readConfig({}))
})

afterAll(() => providers.close())

interface Block {
  label: string
  value: string
  readOnly?: boolean
}

type Returns = (name: string, args: Record<string, string>) => string

/** The system prompt of an agent, with its blocks as every agent is shown them. */
function prompt(blocks: readonly Block[]): string {
  const shown = blocks.map(
    ({ label, value, readOnly }) => `<${label}>
<description>
None
</description>
<metadata>
${readOnly ? '- read_only=true\n' : ''}- chars_current=${value.length}
- chars_limit=4000
</metadata>
<value>
${value}
</value>
</${label}>
`,
  )
  return `You are an agent.

<memory_blocks>
The following memory blocks are currently engaged in your core memory unit:

${shown.join('\n')}
</memory_blocks>`
}

function asking(
  messages: readonly ModelMessage[],
  tools = CHAT_TOOLS,
  model = 'openai/gpt-4o-mini',
): ModelRequest {
  const offered = tools.map(
    (name): ModelTool => ({ name, description: name, parameters: { type: 'object' } }),
  )
  return { model, messages, tools: offered }
}

/** Runs a turn: the model's calls with what the tools return to it, and what it said last. */
async function turn(
  blocks: readonly Block[],
  ask: string,
  returns: Returns,
  options: { tools?: string[]; model?: string; earlier?: ModelMessage[]; news?: string } = {},
) {
  const messages: ModelMessage[] = [
    { role: 'system', content: prompt(blocks) },
    ...(options.earlier ?? []),
    { role: 'user', content: ask },
  ]
  const calls: { name: string; args: Record<string, string> }[] = []
  for (let step = 0; step < STEPS_MAX; step++) {
    const request = asking(messages, options.tools, options.model)
    const response = await providers.model.respond(request, NEVER)
    expect(response.simulated).toBe(true)
    const [call] = response.toolCalls
    if (!call) return { calls, said: response.content }
    const args = JSON.parse(call.arguments)
    calls.push({ name: call.name, args })
    if (call.name === 'send_message') return { calls, said: null }
    messages.push({ role: 'assistant', content: response.content, tool_calls: [call] })
    const content =
      call.name === 'web_search' ? await searched(args['query']) : returns(call.name, args)
    messages.push({ role: 'tool', tool_call_id: call.id, content })
    if (options.news) messages.push({ role: 'user', content: options.news })
  }
  return { calls, said: null }
}

async function searched(query: string): Promise<string> {
  const search = { query, numResults: 10, includeText: false }
  const { results } = await providers.search.search(search, { signal: NEVER })
  return JSON.stringify({ query, results })
}

const applied: Returns = (name, { label }) =>
  `applied ${name} block=${label} version=4: 1 line added at the end (line 2).`

describe("the tutorial's turn", () => {
  const organization = { label: 'organization', value: 'Organization: Letta' }
  const insert = {
    label: 'organization',
    new_string:
      "Agent1: [simulated] Memory blocks are labelled sections of an agent's context that the agent can edit; sharing one gives several agents a common workspace.",
  }

  it('searches, inserts one line with the prefix, and names block and version', async () => {
    const { calls, said } = await turn([organization], TUTORIAL, applied)
    expect(calls).toEqual([
      { name: 'web_search', args: { query: 'connection between memory blocks and Letta' } },
      { name: 'memory_insert', args: insert },
    ])
    expect(said).toBe(
      '[simulated] I searched for "connection between memory blocks and Letta" and added one line to "organization" (version 4).',
    )
  })

  it('reads tool returns in their frame of status and message', async () => {
    const framed: Returns = (name, args) =>
      JSON.stringify({ status: 'OK', message: applied(name, args), time: 'now' })
    const { said } = await turn([organization], TUTORIAL, framed)
    expect(said).toContain('(version 4)')
  })

  it('passes over a read-only block and ignores earlier turns', async () => {
    const policies = { label: 'policies', value: 'Be kind.', readOnly: true }
    const earlier: ModelMessage[] = [
      { role: 'user', content: 'Find information about MemGPT.' },
      { role: 'assistant', content: '[simulated] done' },
    ]
    const { calls } = await turn([policies, organization], TUTORIAL, applied, { earlier })
    expect(calls.map(({ name }) => name)).toEqual(['web_search', 'memory_insert'])
    expect(calls[1]?.args['label']).toBe('organization')
  })

  it('goes on with what it was asked when it is told what others changed meanwhile', async () => {
    const news =
      '<memory_updates>\norganization is at v4. Since v3: v4 agent2 added line 2.\n</memory_updates>'
    const { calls } = await turn([{ label: 'organization', value: '' }], TUTORIAL, applied, {
      news,
    })
    expect(calls.map(({ name }) => name)).toEqual(['web_search', 'memory_insert'])
  })

  it('gives the same answer, ids included, to the same request', async () => {
    const request = asking([{ role: 'user', content: TUTORIAL }])
    const first: ModelResponse = await providers.model.respond(request, NEVER)
    expect(await providers.model.respond(request, NEVER)).toEqual(first)
    expect(first.toolCalls[0]?.id).toMatch(/^call_[0-9a-f]{24}$/)
  })

  it('inserts nothing when the search fails or is not on offer', async () => {
    const tools = CHAT_TOOLS.filter((name) => name !== 'web_search')
    const without = await turn([organization], TUTORIAL, applied, { tools })
    expect(without).toEqual({
      calls: [],
      said: '[simulated] I have no web_search tool to find "connection between memory blocks and Letta" with.',
    })
  })

  it('speaks through send_message where an agent has it', async () => {
    const tools = ['send_message', 'web_search', 'core_memory_append', 'core_memory_replace']
    const { calls } = await turn([organization], TUTORIAL, applied, { tools })
    const { label, new_string } = insert
    expect(calls.slice(1)).toEqual([
      { name: 'core_memory_append', args: { label, content: new_string } },
      {
        name: 'send_message',
        args: { message: expect.stringMatching(/^\[simulated\] I searched/) },
      },
    ])
  })
})

describe('a change of a block', () => {
  const policies = { label: 'policies', value: 'Be kind.', readOnly: true }
  const team = { label: 'team', value: 'HQ: San Francisco (since 2024)\nLead: Ann' }

  it('of a read-only one is tried, and the refusal is told', async () => {
    const refused: Returns = () =>
      'rejected block_read_only block=policies. Error This block is read-only and cannot be edited. Nothing was changed.\nNext: do not try again.'
    const { calls, said } = await turn([policies], 'Change the policies to "Be rude."', refused)
    expect(calls).toEqual([
      {
        name: 'memory_replace',
        args: { label: 'policies', old_string: 'Be kind.', new_string: 'Be rude.' },
      },
    ])
    expect(said).toMatch(/^\[simulated\] The change of "policies" was refused: it is read-only/)
    expect(said).not.toContain('Next:')
  })

  it('that found nothing to replace is tried once more with the text shown', async () => {
    const rejection = `rejected replace_no_match block=team version=3 (you had seen v2). Nothing was changed.
No replacement was performed, old_string \`HQ: SF\` did not appear verbatim in memory block with label \`team\`.
Next: repeat memory_replace with old_string copied exactly from the text below.
--- current text (v3) ---
${team.value}`
    const ask = 'Replace "HQ: SF" by "HQ: Oakland"'
    const mended = await turn([team], ask, (name, args) =>
      args['old_string'] === 'HQ: SF' ? rejection : applied(name, args),
    )
    expect(mended.calls.map(({ args }) => args['old_string'])).toEqual([
      'HQ: SF',
      'HQ: San Francisco (since 2024)',
    ])
    expect(mended.said).toBe('[simulated] I changed "team" with memory_replace (version 4).')
    const lost = await turn([team], ask, () => rejection)
    expect(lost.calls).toHaveLength(2)
    expect(lost.said).toMatch(
      /^\[simulated\] The change of "team" was refused: rejected replace_no/,
    )
  })

  it('of the whole text uses memory_rethink where it is on offer', async () => {
    const tools = [...CHAT_TOOLS, 'memory_rethink']
    const { calls } = await turn([team], 'Rewrite the block as "New."', applied, { tools })
    expect(calls).toEqual([{ name: 'memory_rethink', args: { label: 'team', new_memory: 'New.' } }])
  })

  it('is not made when nobody asks for one', async () => {
    const { calls, said } = await turn([team], 'Hello!', applied)
    expect(calls).toEqual([])
    expect(said).toMatch(/^\[simulated\] I am a scripted stand-in/)
  })
})

describe('models that answer with a fault', () => {
  const hello = (model: string) => asking([{ role: 'user', content: TUTORIAL }], CHAT_TOOLS, model)

  it('sim/rate-limited is rate limited', async () => {
    const error = await providers.model.respond(hello('sim/rate-limited'), NEVER).catch((e) => e)
    expect(error).toBeInstanceOf(ModelFailure)
    expect(error.failureClass).toBe('Provider.RateLimited')
    expect(error.detail.retryAfterMs).toBe(1_000)
  })

  it('sim/malformed-tool writes arguments that are no JSON', async () => {
    const { toolCalls } = await providers.model.respond(hello('sim/malformed-tool'), NEVER)
    expect(() => JSON.parse(toolCalls[0]?.arguments ?? '')).toThrow()
  })

  it('sim/slow answers like the others, only later', async () => {
    const { toolCalls } = await providers.model.respond(hello('sim/slow?ms=20'), NEVER)
    expect(toolCalls[0]?.name).toBe('web_search')
  })

  it('sim/loop never stops calling tools', async () => {
    const blocks = [{ label: 'organization', value: '' }]
    const { calls } = await turn(blocks, 'Hello!', applied, { model: 'sim/loop' })
    expect(calls).toHaveLength(STEPS_MAX)
  })
})

describe('the list of models', () => {
  it('has the names of the tutorial and of the faults, all simulated', async () => {
    const models = await providers.model.list(NEVER)
    expect(models.map(({ handle }) => handle)).toEqual(
      expect.arrayContaining(['openai/gpt-4o-mini', 'openai/gpt-4.1', 'sim/default', 'sim/loop']),
    )
    expect(models.every(({ simulated }) => simulated)).toBe(true)
  })
})
