import type { BlockJudgement } from '#commands/block-judgement.js'
import type { ToolReturnText } from '#commands/run-tool-step.js'
import { length } from '#domain/text.js'
import { type AppliedWords, appliedWords } from './applied-words.js'
import type { MemoryPlan, PlannedOperation } from './memory-plan.js'
import type { MemoryToolName } from './memory-tools.js'
import { refusalReturn } from './refusal-return.js'
import { tellWords } from './return-words.js'
import { type ShownText, shownText, TEXT_SHOWN_MAX } from './shown-text.js'
import { labelled } from './told-words.js'

/** Operations that a return names one by one. */
const OPERATIONS_NAMED_MAX = 6

/** An operation as its blocks judged it. */
interface Applied {
  readonly operation: PlannedOperation['operation']
  readonly judgement: BlockJudgement
  readonly changed: boolean
  readonly words: AppliedWords
}

/**
 * What the model reads after a memory tool: the stable code first, what happened and to which version,
 * what changed since it looked, exactly one next action where anything is asked for, and the text it
 * needs. Beside that text at most 1,200 code points, each piece on a line of its own.
 *
 * @param judgements of every edit of the plan, or of the one that was refused.
 */
export function memoryReturn(
  tool: MemoryToolName,
  plan: MemoryPlan,
  judgements: readonly BlockJudgement[],
): ToolReturnText {
  const [first] = judgements
  if (!first) throw new Error('an edit was not judged')
  if (!first.verdict.ok) {
    const { rejection } = first.verdict
    const member = Number(rejection.facts.member ?? 0)
    const at = plan.operations.findIndex((planned) => member < planned.first + planned.count)
    const label = plan.operations[at]?.operation.label ?? ''
    const part = { number: at + 1, of: plan.operations.length, label }
    return refusalReturn(tool, first, rejection, part)
  }
  const applied = plan.operations.map((planned) => appliedOf(plan, planned, judgements))
  return applied.length === 1 ? one(tool, applied[0] as Applied) : several(tool, applied)
}

/** An operation's last edit says where its block now stands. */
function appliedOf(
  { operations }: MemoryPlan,
  { operation, first, count }: PlannedOperation,
  judgements: readonly BlockJudgement[],
): Applied {
  const members = judgements.slice(first, first + count)
  const judgement = members.at(-1)
  if (!judgement?.verdict.ok) throw new Error('an edit was not judged')
  const changed = members.some(({ verdict }) => verdict.ok && verdict.changed.changed)
  const { receipt } = judgement.verdict.changed
  const of = operations.length > 1 ? ` of ${labelled(judgement.label)}` : ''
  return {
    operation,
    judgement,
    changed,
    words: appliedWords(operation, judgement, receipt, changed, of),
  }
}

function one(tool: MemoryToolName, { judgement, changed, words }: Applied): ToolReturnText {
  const { blockId, version } = judgement
  const verb = changed ? 'applied' : 'unchanged'
  const head = `${verb} ${tool} block=${labelled(judgement.label)} version=${version}: ${words.effect}`
  const told = tellWords({ head, must: [], ...words })
  const shown = shownAfter(judgement, words, told.complete)
  return {
    status: 'success',
    result: [...told.lines, ...(shown?.lines ?? [])].join('\n'),
    block: { block_id: blockId, version, changed },
    ...(knows(judgement, words, told.complete, shown) ? { seen: { [blockId]: version } } : {}),
  }
}

/** The text where it is asked for; and where not every change could be quoted, if it is short enough. */
function shownAfter(
  judgement: BlockJudgement,
  { showsText, places, knowsText }: AppliedWords,
  complete: boolean,
): ShownText | null {
  if (showsText) return shownText(judgement, [...judgement.places, ...places])
  const missing = !knowsText && judgement.baseVersion !== null && (!complete || judgement.forgotten)
  return missing && length(judgement.text) <= TEXT_SHOWN_MAX ? shownText(judgement, []) : null
}

/** True when the model has been told everything up to the version the block now has. */
function knows(
  { baseVersion, forgotten }: BlockJudgement,
  { knowsText }: AppliedWords,
  complete: boolean,
  shown: ShownText | null,
): boolean {
  if (knowsText || shown?.full) return true
  return baseVersion !== null && complete && !forgotten
}

/** A call of several operations: each is named, and for each block what the model had not seen. */
function several(tool: MemoryToolName, applied: readonly Applied[]): ToolReturnText {
  const changed = applied.some((operation) => operation.changed)
  const verb = changed ? 'applied' : 'unchanged'
  const last = new Map(applied.map((operation) => [operation.judgement.blockId, operation]))
  const named = applied
    .slice(0, OPERATIONS_NAMED_MAX)
    .map(
      ({ judgement, words }, i) =>
        `${i + 1}. block=${labelled(judgement.label)} version=${judgement.version}: ${words.effect}`,
    )
  const more = applied.length - named.length
  const told = tellWords({
    head: `${verb} ${tool}: ${applied.length} operations, in one commit.`,
    must: [],
    may: more > 0 ? [...named, `… and ${more} more.`] : named,
    lists: [...last.values()].flatMap(({ words }) => words.lists),
    next: null,
  })
  const blocks = [...last.values()].map(({ judgement: { blockId, version } }) => ({
    block_id: blockId,
    version,
    changed: applied.some((one) => one.changed && one.judgement.blockId === blockId),
  }))
  const seen = [...last.values()]
    .filter(({ judgement, words }) => knows(judgement, words, told.complete, null))
    .map(({ judgement }) => [judgement.blockId, judgement.version])
  return {
    status: 'success',
    result: told.lines.join('\n'),
    blocks,
    ...(seen.length > 0 ? { seen: Object.fromEntries(seen) } : {}),
  }
}
