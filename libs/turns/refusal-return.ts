import type { BlockJudgement } from '#commands/block-judgement.js'
import type { ToolReturnText } from '#commands/run-tool-step.js'
import type { Actor } from '#domain/actor.js'
import { echo, type Rejection } from '#domain/errors.js'
import type { MemoryToolName } from './memory-tools.js'
import { nextAction, SHOWS_TEXT, type Told } from './next-action.js'
import { tellWords } from './return-words.js'
import { shownText } from './shown-text.js'
import { labelled, nameOf, oneLine, quote, unseenList } from './told-words.js'

const CONTEXT_LENGTH_MAX = 60
const MATCHES_NAMED_MAX = 4
const HUNKS_NAMED_MAX = 2

/** Refusals that are said in one sentence. */
const SHORT: ReadonlySet<string> = new Set(['block_read_only', 'limit_exceeded'])

/** Where in a call of several operations the refused one stands, from 1. */
export interface Part {
  readonly number: number
  readonly of: number
  readonly label: string
}

/** Nothing was changed: why, what the model had not seen, the text it needs, and what to do next. */
export function refusalReturn(
  tool: MemoryToolName,
  judgement: BlockJudgement,
  rejection: Rejection,
  part: Part,
): ToolReturnText {
  const { blockId, version, baseVersion, change } = judgement
  const shown = SHOWS_TEXT.has(rejection.code)
    ? shownText(judgement, placesOf(judgement, rejection))
    : null
  const words = (told: Told) =>
    tellWords({
      ...headOf(judgement, rejection, part),
      may: factsOf(judgement, rejection),
      lists: unseenList(judgement),
      next: nextAction({ tool, change, version, rejection, told }),
    })
  // What is asked for depends on what the model will know, and that on how much room there is for it.
  const first = words(shown?.full ? 'text' : 'changes')
  const toldAll =
    shown?.full === true || (baseVersion !== null && first.complete && !judgement.forgotten)
  const { lines } = toldAll ? first : words('part')
  return {
    status: 'error',
    result: [...lines, ...(shown?.lines ?? [])].join('\n'),
    code: rejection.code,
    ...(version > 0 ? { block: { block_id: blockId, version, changed: false } } : {}),
    ...(toldAll && version > 0 ? { seen: { [blockId]: version } } : {}),
  }
}

function headOf(
  { label, version, baseVersion, change, policy }: BlockJudgement,
  rejection: Rejection,
  part: Part,
): { head: string; must: string[] } {
  const { code } = rejection
  const place = part.of === 1 ? '' : `operation ${part.number} of ${part.of}, `
  const block = `${place}block=${labelled(label || part.label)}`
  const nothing = part.of === 1 ? 'Nothing was changed.' : 'Nothing was changed, in any block.'
  const detail = sentence(rejection.detail)
  if (code === 'block_read_only') {
    return { head: `rejected ${code} ${block}. ${detail} ${nothing}`, must: [] }
  }
  const at = version > 0 ? ` version=${version}` : ''
  if (SHORT.has(code))
    return { head: `rejected ${code} ${block}${at}. ${detail} ${nothing}`, must: [] }
  const seen =
    baseVersion !== null && baseVersion < version ? ` (you had seen v${baseVersion})` : ''
  const inForce = change === 'ReplaceText' ? 'strict' : policy
  const asks = POLICY_REFUSALS.has(code) ? ` The block's policy is ${inForce}.` : ''
  return { head: `rejected ${code} ${block}${at}${seen}. ${nothing}${asks}`, must: [detail] }
}

/** What helps beside the sentence of the refusal, the most helpful first. */
function factsOf({ baseVersion, change }: BlockJudgement, { code, facts }: Rejection): string[] {
  switch (code) {
    case 'replace_no_match':
      return [
        ...nearestOf(facts),
        ...differenceOf(facts),
        ...(baseVersion === null ? lastChange(facts) : []),
      ]
    case 'replace_ambiguous':
      return matchesOf(facts)
    case 'rethink_conflict':
      return conflictsOf(facts)
    case 'line_out_of_range':
      return baseVersion === null || facts.counted_at !== baseVersion
        ? []
        : [`The lines are counted as you had seen them, at v${baseVersion}.`]
    case 'limit_exceeded':
      return change === 'RethinkBlock' || change === 'CreateBlock'
        ? [`${facts.over_by} characters too many.`]
        : [`${facts.left} characters are left, ${facts.over_by} too many.`]
    default:
      return []
  }
}

interface Found {
  readonly line: number
  readonly similarity?: number
  readonly text?: string
  readonly context?: string
}

function found(value: unknown): readonly Found[] {
  return Array.isArray(value) ? value : []
}

function nearestOf(facts: Rejection['facts']): string[] {
  const [best] = found(facts.nearest)
  if (!best?.text) return []
  const percent = Math.round((best.similarity ?? 0) * 100)
  return [`Nearest now is line ${best.line} (${percent} % alike): ${quote(best.text)}.`]
}

function differenceOf({ differs_only_in }: Rejection['facts']): string[] {
  if (typeof differs_only_in !== 'string') return []
  return [`It differs from what stands there only in ${differs_only_in.replaceAll('_', ' ')}.`]
}

function lastChange({ last_changed_by }: Rejection['facts']): string[] {
  const last = last_changed_by as { version: number; actor: Actor } | undefined
  return last ? [`Last changed at v${last.version} by ${nameOf(last.actor)}.`] : []
}

function matchesOf(facts: Rejection['facts']): string[] {
  const matches = found(facts.matches)
  if (matches.length === 0) return hunkPlaces(facts)
  return matches
    .slice(0, MATCHES_NAMED_MAX)
    .map(({ line, context = '' }) => `  line ${line}: ${quote(echo(context, CONTEXT_LENGTH_MAX))}`)
}

function hunkPlaces({ lines }: Rejection['facts']): string[] {
  return Array.isArray(lines) ? [`It fits at lines ${lines.join(', ')}.`] : []
}

function conflictsOf(facts: Rejection['facts']): string[] {
  const hunks = found(facts.hunks) as readonly {
    line: number
    base: string
    mine: string
    theirs: string
  }[]
  const short = (text: string) => quote(echo(text, CONTEXT_LENGTH_MAX))
  return hunks
    .slice(0, HUNKS_NAMED_MAX)
    .map(
      ({ line, base, mine, theirs }) =>
        `Line ${line} as you had seen it: ${short(base)}; yours: ${short(mine)}; now: ${short(theirs)}.`,
    )
}

/** Lines of the text that a refusal is about. */
function placesOf({ places }: BlockJudgement, { code, facts }: Rejection): number[] {
  if (code === 'line_out_of_range') return []
  const named = [...found(facts.nearest), ...found(facts.matches)].map(({ line }) => line)
  const lines = Array.isArray(facts.lines) ? (facts.lines as number[]) : []
  const line = typeof facts.line === 'number' ? [facts.line] : []
  return [...places, ...named, ...lines, ...line]
}

function sentence(detail: string): string {
  const line = oneLine(detail)
  return /[.\]]$/.test(line) ? line : `${line}.`
}

const POLICY_REFUSALS: ReadonlySet<string> = new Set([
  'stale_base',
  'rethink_conflict',
  'base_version_required',
])
