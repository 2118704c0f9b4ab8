import type { BlockEdit } from '#commands/block-change.js'
import type { BlockJudgement } from '#commands/block-judgement.js'
import type { ToolReturnText } from '#commands/run-tool-step.js'
import type { AgentState } from '#domain/agent.js'
import { echo } from '#domain/errors.js'
import { length, slice, unstorable } from '#domain/text.js'
import { isMemoryTool, readMemoryCall } from './memory-tools.js'
import { READ_TOOLS, type ReadToolContext } from './read-tools.js'
import { blockReturn } from './tool-return.js'

/** Code points of a return; the rest is cut off, and the model is told so. */
const RESULT_LENGTH_MAX = 50_000
/** Code points of a name the model made up that it is told back. */
const NAME_LENGTH_MAX = 100

/** A tool call made ready: with its edits for the commit, or its return already known. */
export interface PreparedCall {
  readonly edits: readonly BlockEdit[]
  readonly describe: (judgements: readonly BlockJudgement[]) => ToolReturnText
}

/**
 * Makes a call ready. Tools that read run here; an edit is only named, the block judges it at the
 * commit. Nothing here throws because of what a model wrote: the model is told instead.
 *
 * @param agent the agent as it is now: which blocks it has under which labels, and which tools.
 */
export async function prepareCall(
  call: { readonly name: string; readonly arguments: string },
  agent: AgentState,
  context: ReadToolContext,
): Promise<PreparedCall> {
  const { name } = call
  if (!agent.tools.some((tool) => tool.name === name)) {
    const names = agent.tools.map((tool) => tool.name).join(', ')
    const unknown = echo(name, NAME_LENGTH_MAX)
    return failed('tool_not_found', `There is no tool ${unknown} here. Available tools: ${names}.`)
  }
  const args = parseArguments(call.arguments)
  if (args === undefined) {
    return failed(
      'invalid_argument',
      `The arguments of ${name} are not a JSON object. Next: call it again with valid JSON.`,
    )
  }
  // What an edit writes is the block's to judge; everything else is looked up, and said back.
  const code = unstorableIn(isMemoryTool(name) ? (args as { label?: unknown }).label : args)
  if (code) {
    const what = code === 'nul_not_allowed' ? 'a NUL character' : 'half of a surrogate pair'
    return failed(code, `The arguments of ${name} contain ${what}. Next: call it again without it.`)
  }
  if (isMemoryTool(name)) return prepareEdit(name, args, agent)
  const run = READ_TOOLS[name]
  if (!run) {
    return failed(
      'tool_not_runnable',
      `The tool ${name} is registered here but cannot be run. Next: go on without it.`,
    )
  }
  const returned = bounded(await run(args, context))
  return { edits: [], describe: () => returned }
}

function bounded<R extends { readonly result: string }>(returned: R): R {
  const size = length(returned.result)
  if (size <= RESULT_LENGTH_MAX) return returned
  const note = `\n[cut: ${size} characters, of which ${RESULT_LENGTH_MAX} are shown]`
  return { ...returned, result: slice(returned.result, 0, RESULT_LENGTH_MAX) + note }
}

function prepareEdit(
  name: Parameters<typeof readMemoryCall>[0],
  args: object,
  agent: AgentState,
): PreparedCall {
  const read = readMemoryCall(name, args)
  if (!read.ok)
    return failed('invalid_argument', `The arguments of ${name} do not fit: ${read.fault}`)
  const block = agent.blocks.find((b) => b.label === read.label)
  if (!block) {
    const labels = agent.blocks.map((b) => b.label).join(', ')
    return failed(
      'block_not_found',
      `Block field ${echo(read.label, NAME_LENGTH_MAX)} does not exist (available sections = ${labels})`,
    )
  }
  return {
    edits: [{ blockId: block.id, change: read.command }],
    describe: ([judgement]) => {
      if (!judgement) throw new Error('an edit was not judged')
      return blockReturn(name, judgement)
    },
  }
}

/** Without recursion: a model may nest as deeply as it likes. */
function unstorableIn(value: unknown): ReturnType<typeof unstorable> {
  const pending = [value]
  while (pending.length > 0) {
    const next = pending.pop()
    if (typeof next === 'object' && next !== null) {
      for (const [key, member] of Object.entries(next)) pending.push(key, member)
    }
    const code = typeof next === 'string' ? unstorable(next) : null
    if (code) return code
  }
  return null
}

function failed(code: string, result: string): PreparedCall {
  return { edits: [], describe: () => ({ status: 'error', result, code }) }
}

/** Models leave the arguments of a call without parameters empty. */
function parseArguments(text: string): object | undefined {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
