import type { BlockEdit } from '#commands/block-change.js'
import type { BlockJudgement } from '#commands/block-judgement.js'
import type { ToolReturnText } from '#commands/run-tool-step.js'
import type { AgentState } from '#domain/agent.js'
import { length, slice, unstorable } from '#domain/text.js'
import { planOperations } from './memory-plan.js'
import { isMemoryTool, type MemoryToolName, readMemoryCall } from './memory-tools.js'
import { READ_TOOLS, type ReadToolContext } from './read-tools.js'
import { short } from './told-words.js'
import { memoryReturn } from './tool-return.js'

/** Code points of a return; the rest is cut off, and the model is told so. */
const RESULT_LENGTH_MAX = 50_000
/** Code points of a name the model made up that it is told back. */
const NAME_LENGTH_MAX = 100
/** Code points of a list of names, or of what is wrong with arguments. */
const LIST_LENGTH_MAX = 600
/** These write more than texts of blocks: labels and descriptions too. */
const MAKES_BLOCKS: ReadonlySet<string> = new Set(['memory', 'memory_apply_patch'])

/** A tool call made ready: with its edits for the commit, or its return already known. */
export interface PreparedCall {
  readonly edits: readonly BlockEdit[]
  readonly describe: (judgements: readonly BlockJudgement[]) => ToolReturnText
}

export interface CallContext extends ReadToolContext {
  /** An id for the n-th new block of the call. A repetition of the call must get the same ones. */
  readonly newBlockId: (n: number) => string
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
  context: CallContext,
): Promise<PreparedCall> {
  const { name } = call
  if (!agent.tools.some((tool) => tool.name === name)) {
    const names = agent.tools.map((tool) => tool.name).join(', ')
    const what = `There is no tool ${short(name, NAME_LENGTH_MAX)} here. Available tools: ${short(names, LIST_LENGTH_MAX)}.`
    return refused('tool_not_found', what, 'call one of these, or go on without it.')
  }
  const args = parseArguments(call.arguments)
  if (args === undefined) {
    const what = `The arguments of ${name} are not a JSON object.`
    return refused('invalid_argument', what, 'call it again with valid JSON.')
  }
  // What an edit of a block writes is the block's to judge; everything else is looked up, and said back.
  const code = unstorableIn(
    isMemoryTool(name) && !MAKES_BLOCKS.has(name) ? (args as { label?: unknown }).label : args,
  )
  if (code) {
    const what = code === 'nul_not_allowed' ? 'a NUL character' : 'half of a surrogate pair'
    return refused(code, `The arguments of ${name} contain ${what}.`, 'call it again without it.')
  }
  if (isMemoryTool(name)) return prepareEdits(name, args, agent, context.newBlockId)
  const run = READ_TOOLS[name]
  if (!run) {
    const what = `The tool ${name} is registered here but cannot be run.`
    return refused('tool_not_runnable', what, 'go on without it.')
  }
  const returned = bounded(await run(args, context))
  return { edits: [], describe: () => returned }
}

/** A return that is not too long; the model is told what was cut off. */
export function bounded<R extends { readonly result: string }>(returned: R): R {
  const size = length(returned.result)
  if (size <= RESULT_LENGTH_MAX) return returned
  const note = `\n[cut: ${size} characters, of which ${RESULT_LENGTH_MAX} are shown]`
  return { ...returned, result: slice(returned.result, 0, RESULT_LENGTH_MAX) + note }
}

function prepareEdits(
  name: MemoryToolName,
  args: object,
  agent: AgentState,
  newBlockId: (n: number) => string,
): PreparedCall {
  const read = readMemoryCall(name, args)
  if (!read.ok) {
    const what = `The arguments of ${name} do not fit: ${short(read.fault, LIST_LENGTH_MAX)}.`
    return refused('invalid_argument', what, `repeat ${name} with the arguments corrected.`)
  }
  const plan = planOperations(read.operations, agent, newBlockId)
  if ('unknown' in plan) {
    const labels = short(plan.labels.join(', '), LIST_LENGTH_MAX)
    const what = `Block field ${short(plan.unknown, NAME_LENGTH_MAX)} does not exist (available sections = ${labels})`
    return refused('block_not_found', what, `repeat ${name} with one of these labels.`)
  }
  return { edits: plan.edits, describe: (judgements) => memoryReturn(name, plan, judgements) }
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

/** Refused before anything was looked at: in the form of every other refusal. */
function refused(code: string, what: string, next: string): PreparedCall {
  const result = `rejected ${code}. ${what} Nothing was changed.\nNext: ${next}`
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
