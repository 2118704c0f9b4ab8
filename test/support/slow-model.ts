import { type LoopbackServer, sendJson, startLoopbackServer } from '#adapters/loopback-server.js'

/** What a turn of the load is asked: `turn <token>`, and with `+search` it looks something up first. */
const ASKED = /^turn (\S+?)(\+search)?$/

interface Message {
  readonly role: string
  readonly content: string | null
}

/**
 * A model and a search engine that take their time and count what they are asked, by turn and step. A
 * turn perhaps searches, then inserts its token into its block, then says that it is done.
 */
export class SlowModel {
  /** Model calls by `token/step`, searches by token. */
  readonly asked = new Map<string, number>()
  readonly searched = new Map<string, number>()
  #server: LoopbackServer | null = null

  private constructor(private readonly delayMs: () => number) {}

  static async start(delayMs: () => number): Promise<SlowModel> {
    const model = new SlowModel(delayMs)
    model.#server = await startLoopbackServer(async (request, response) => {
      const body = JSON.parse(request.body)
      await new Promise((resolve) => setTimeout(resolve, model.delayMs()))
      sendJson(response, 200, request.path === '/search' ? model.#search(body) : model.#say(body))
    })
    return model
  }

  /** Variables of an environment in which this is the model and the search engine. */
  get env(): Record<string, string> {
    const url = this.#server?.url ?? ''
    return {
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_API_KEY: 'none',
      EXA_BASE_URL: url,
      EXA_API_KEY: 'none',
      PALIMPSEST_SIMULATED: 'never',
    }
  }

  /** What is known of turns that are over. */
  forget(tokens: readonly string[]): void {
    for (const token of tokens) {
      this.searched.delete(token)
      for (let step = 1; step <= 3; step++) this.asked.delete(`${token}/${step}`)
    }
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }

  #search({ query }: { query: string }): object {
    count(this.searched, query)
    return { requestId: 'slow', results: [] }
  }

  #say({ messages, model }: { messages: Message[]; model: string }): object {
    const at = messages.findLastIndex(
      ({ role, content }) => role === 'user' && ASKED.test(content ?? ''),
    )
    const [, token = '', searches] = ASKED.exec(messages[at]?.content ?? '') ?? []
    const step = messages.slice(at).filter(({ role }) => role === 'assistant').length + 1
    count(this.asked, `${token}/${step}`)
    const calls = [
      ...(searches ? [['web_search', { query: token }] as const] : []),
      ['memory_insert', { label: 'notes', new_string: token }] as const,
    ]
    const call = calls[step - 1]
    return {
      id: `chatcmpl-${token}-${step}`,
      object: 'chat.completion',
      created: 1_700_000_000,
      model,
      choices: [
        {
          index: 0,
          finish_reason: call ? 'tool_calls' : 'stop',
          message: call
            ? { role: 'assistant', content: null, tool_calls: [wireCall(call, `${token}-${step}`)] }
            : { role: 'assistant', content: `done ${token}` },
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    }
  }
}

function wireCall([name, args]: readonly [string, object], id: string): object {
  return { id: `call_${id}`, type: 'function', function: { name, arguments: JSON.stringify(args) } }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
