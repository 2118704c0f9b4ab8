/** As much of a chat completion as the scripted server makes. */
interface Completion {
  readonly id?: string
  readonly model: string
  readonly choices: readonly {
    readonly finish_reason: string
    readonly message: {
      readonly content: string | null
      readonly reasoning_content?: string
      readonly tool_calls?: readonly {
        readonly id?: string
        readonly function: { readonly name: string; readonly arguments: string }
      }[]
    }
  }[]
  readonly usage?: object
}

const CUT: Readonly<Record<string, string>> = {
  length: 'max_output_tokens',
  content_filter: 'content_filter',
}

/** The same answer as OpenAI's Responses API would give it. */
export function responsesAnswer({ id, model, choices, usage: sent }: Completion): object {
  const usage = sent as Readonly<Record<string, unknown>> | undefined
  const [choice] = choices
  const { content = null, reasoning_content: thought, tool_calls = [] } = choice?.message ?? {}
  const reason = CUT[choice?.finish_reason ?? '']
  return {
    ...(id !== undefined && { id }),
    object: 'response',
    created_at: 1_700_000_000,
    model,
    status: reason ? 'incomplete' : 'completed',
    error: null,
    incomplete_details: reason ? { reason } : null,
    output: [
      ...(thought === undefined
        ? []
        : [{ type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: thought }] }]),
      ...(content === null ? [] : [message(content)]),
      ...tool_calls.map((call, i) => ({
        type: 'function_call',
        id: `fc_${i}`,
        status: 'completed',
        ...(call.id !== undefined && { call_id: call.id }),
        ...call.function,
      })),
    ],
    ...(usage && {
      usage: {
        input_tokens: usage['prompt_tokens'],
        output_tokens: usage['completion_tokens'],
        total_tokens: usage['total_tokens'],
        input_tokens_details: usage['prompt_tokens_details'],
        output_tokens_details: usage['completion_tokens_details'],
      },
    }),
  }
}

function message(text: string): object {
  const content = [{ type: 'output_text', text, annotations: [] }]
  return { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content }
}
