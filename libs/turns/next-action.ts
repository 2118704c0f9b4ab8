import type { BlockJudgement } from '#commands/block-judgement.js'
import type { Rejection } from '#domain/errors.js'
import type { MemoryToolName } from './memory-tools.js'

/** How much of what it had not seen the model is told with a refusal. */
export type Told = 'text' | 'changes' | 'part'

/** A refusal, and what the model knows once it has read the return. */
export interface Refusal {
  readonly tool: MemoryToolName
  readonly change: BlockJudgement['change']
  readonly version: number
  readonly rejection: Rejection
  readonly told: Told
}

/** Refusals that need the text as it is now. */
export const SHOWS_TEXT: ReadonlySet<string> = new Set([
  'replace_no_match',
  'replace_ambiguous',
  'line_out_of_range',
  'stale_base',
  'rethink_conflict',
  'anchor_lost',
  'anchor_ambiguous',
  'base_version_required',
])

/** Line numbers count as the model had seen them, and that is not the text it is shown a part of. */
const BELOW_A_LINE =
  'put your text below a line you see with memory_replace, that line as old_string, or leave insert_line out to add at the end.'
const TELL_THE_USER = 'do not try again; tell the user what you would have changed.'

const FIXED: Readonly<Record<string, string>> = {
  block_read_only: TELL_THE_USER,
  agent_not_attached: 'do not try again; tell the user that the block is no longer attached.',
  not_attached: 'do not try again; the block is not attached to you.',
  gone: 'do not try again; tell the user that the block was deleted.',
  agent_not_found: TELL_THE_USER,
  label_taken: 'edit the block that has the label, or choose another one.',
  too_many_blocks: 'put the text into a block you have, or detach one you no longer need.',
  invalid_label: 'choose a label of 1 to 100 characters without <, > and &.',
  empty_text: 'repeat with a text.',
  line_number_prefix: 'repeat without the line numbers.',
  line_number_banner: 'repeat without the warning about line numbers.',
  nul_not_allowed: 'repeat without the NUL character.',
  lone_surrogate: 'repeat without half of a surrogate pair.',
  anchor_ambiguous: 'repeat with a line that stands only once, or add at the end.',
}

/** What the tool calls the text that must be there. */
function oldText(tool: MemoryToolName): string {
  return tool === 'core_memory_replace' ? 'old_content' : 'old_string'
}

/** The one thing to do after a refusal, in words a model can follow without knowing more. */
export function nextAction(refusal: Refusal): string {
  const { tool, rejection, told } = refusal
  const { code, facts } = rejection
  const again = `repeat ${tool}`
  switch (code) {
    case 'replace_no_match':
      return facts.hunk === undefined
        ? `${again} with ${oldText(tool)} copied exactly from the text below, or stop if it already says what you want.`
        : `${again} with the lines that begin with a space or - copied exactly from the text below, or stop if it already says what you want.`
    case 'replace_ambiguous':
      return facts.hunk === undefined
        ? `${again} with a longer ${oldText(tool)}, copied from the text below, that stands there only once.`
        : `${again} with more unchanged lines around the change, so that it fits only one place of the text below.`
    case 'line_out_of_range':
      if (told === 'part') return BELOW_A_LINE
      return `${again} with a line in that range, counted in the text below, or leave insert_line out to add at the end.`
    case 'anchor_lost':
      if (told === 'part') return BELOW_A_LINE
      return `${again} with insert_line counted in the text below, or leave it out to add at the end.`
    case 'limit_exceeded':
      return 'shorten your text, or first remove something with memory_replace.'
    case 'stale_base':
    case 'rethink_conflict':
    case 'base_version_required':
      return rewriteAgain(refusal)
    case 'right_missing':
      return facts.right === 'insert'
        ? 'add your text with memory_insert instead; what stands there is not yours to change.'
        : TELL_THE_USER
    case 'invalid_argument':
      return `${again} with the arguments corrected.`
    default:
      return FIXED[code] ?? TELL_THE_USER
  }
}

/** A write that asks for a base succeeds once the model has been told everything up to it. */
function rewriteAgain({ tool, change, version, rejection, told }: Refusal): string {
  const judged = `your next answer will be judged against v${version}.`
  if (change === 'ReplaceText') {
    return told === 'part'
      ? TELL_THE_USER
      : `repeat ${tool} with ${oldText(tool)} copied exactly from the text below, if it is still what you want to change; ${judged}`
  }
  if (told === 'part') {
    return 'make your change with memory_insert or memory_replace instead: they touch only what you name.'
  }
  if (told === 'changes') {
    return `work the changes named above into your text and call ${tool} again; ${judged}`
  }
  return rejection.code === 'rethink_conflict'
    ? `write the text below anew with your change in it and call ${tool} again; ${judged}`
    : `apply your change to the text below and call ${tool} again; ${judged}`
}
