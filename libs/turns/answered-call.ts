import type { AgentState } from '#domain/agent.js'
import type { CallState } from '#domain/turn.js'
import { short } from './told-words.js'
import { bounded, type CallContext, type PreparedCall, prepareCall } from './tool-call.js'

/** Code points of changed arguments that the model is told. */
const ARGUMENTS_LENGTH_MAX = 1_000

/** The arguments a call is made with: the model's, unless whoever approved it changed them. */
export function usedArguments({ arguments: args, answer }: CallState): string {
  return answer?.kind === 'given' && answer.args !== null ? answer.args : args
}

/**
 * Makes a call ready whose answer, if it needs one, is there: one that was denied, or that the caller has
 * made itself, only has its return.
 */
export async function prepareAnswered(
  call: CallState,
  agent: AgentState,
  context: CallContext,
): Promise<PreparedCall> {
  const { answer } = call
  switch (answer?.kind) {
    case 'denied': {
      const why = answer.reason === null ? '' : ` User reason: ${answer.reason}`
      return known({ status: 'error', result: `Error: request to call tool denied.${why}` })
    }
    case 'returned':
      return known({ status: answer.status, result: answer.result })
    case 'given':
      return answer.args === null
        ? prepareCall(call, agent, context)
        : prepareEdited({ name: call.name, arguments: answer.args }, agent, context)
    default:
      return prepareCall(call, agent, context)
  }
}

/** The model is told what the tool was really called with: its own text stands in its message. */
async function prepareEdited(
  call: { readonly name: string; readonly arguments: string },
  agent: AgentState,
  context: CallContext,
): Promise<PreparedCall> {
  const { arguments: args } = call
  const { edits, describe } = await prepareCall(call, agent, context)
  const note = `The user changed the arguments of this call to ${short(args, ARGUMENTS_LENGTH_MAX)}`
  return {
    edits,
    describe(judgements) {
      const returned = describe(judgements)
      return { ...returned, result: `${note}\n${returned.result}`, args }
    },
  }
}

function known(returned: ReturnType<PreparedCall['describe']>): PreparedCall {
  const told = bounded(returned)
  return { edits: [], describe: () => told }
}
