import type { BlockCommand, ChangeReference, Writer } from './block-events.js'
import { newestChange, type TextChange } from './block-memory.js'
import { type BlockState, forgotten, unseen } from './block-state.js'
import { echo, type Rejection, rejection } from './errors.js'
import type { MergeConflict } from './merge.js'
import { nearest } from './nearest.js'
import * as text from './text.js'
import { tellChanges } from './told-changes.js'

/** What the rule of an operation refuses, with the facts its writer needs to go on. */

const MATCHES_SHOWN_MAX = 20
const MATCHES_COUNTED_MAX = 100
const CONTEXT_LENGTH_MAX = 200
/** Changes, conflicts and versions a refusal names: it is stored and sent, so it is bounded. */
const NAMED_MAX = 20
/** Code points of current text a refusal carries. */
const CURRENT_LENGTH_MAX = 4_000
/** Code points of a text that is quoted beside others. */
const QUOTED_LENGTH_MAX = 400

/** @param seenAt the version whose lines were counted, when it is not the block's. */
export function lineOutOfRange(
  state: BlockState,
  line: number,
  lineCount: number,
  seenAt: number = state.version,
): Rejection {
  return rejection(
    'line_out_of_range',
    `Invalid \`insert_line\` parameter: ${line}. It should be within the range of lines of the memory block: [0, ${lineCount}], or -1 to append to the end of the memory block.`,
    { block_id: state.id, line, line_count: lineCount, counted_at: seenAt },
  )
}

export function limitExceeded(state: BlockState, wouldBe: number, limit: number): Rejection {
  return rejection(
    'limit_exceeded',
    `Edit failed: Exceeds ${limit} character limit (requested ${wouldBe})`,
    {
      block_id: state.id,
      limit,
      would_be: wouldBe,
      over_by: wouldBe - limit,
      left: Math.max(0, limit - state.length),
    },
  )
}

export function noMatch(
  state: BlockState,
  command: Extract<BlockCommand, { type: 'ReplaceText' }>,
  writer: Writer,
): Rejection {
  const label = state.settings.label
  const old = echo(command.old)
  const detail = command.all
    ? `Old content '${old}' not found in memory block '${label}'`
    : `No replacement was performed, old_string \`${old}\` did not appear verbatim in memory block with label \`${label}\`.`
  const missed = unseen(state, writer)
  const last =
    missed.at(-1) ?? (writer.baseVersion === null ? newestChange(state.memory) : undefined)
  const near = nearest(state.value, command.old)
  return rejection('replace_no_match', detail, {
    block_id: state.id,
    ...(near.length > 0 ? { nearest: near } : {}),
    ...variant(state.value, command.old),
    ...(last ? { last_changed_by: { version: last.version, actor: last.actor, at: last.at } } : {}),
    ...(writer.baseVersion === null
      ? {}
      : { base_version: writer.baseVersion, unseen: missed.map((change) => change.version) }),
  })
}

/** Names the one difference that hides a text from the eye. */
function variant(value: string, old: string): { differs_only_in?: string } {
  const kinds: [name: string, fold: (s: string) => string][] = [
    ['line_endings', (s) => s.replaceAll('\r\n', '\n')],
    ['normal_form', (s) => s.normalize('NFC')],
    ['whitespace', (s) => s.replaceAll(/\s+/gu, ' ').trim()],
  ]
  const found = kinds.find(([, fold]) => fold(old) !== '' && fold(value).includes(fold(old)))
  return found ? { differs_only_in: found[0] } : {}
}

export function ambiguous(state: BlockState, old: string, offsets: readonly number[]): Rejection {
  const all = text.lines(state.value)
  const at = offsets.slice(0, MATCHES_COUNTED_MAX).map((o) => text.lineAt(state.value, o))
  const lines = [...new Set(at), ...(offsets.length > at.length ? ['…'] : [])]
  const matches = offsets.slice(0, MATCHES_SHOWN_MAX).map((offset, i) => {
    const line = at[i] as number
    return { line, offset, context: text.slice(all[line - 1] as string, 0, CONTEXT_LENGTH_MAX) }
  })
  return rejection(
    'replace_ambiguous',
    `No replacement was performed. Multiple occurrences of old_string \`${echo(old)}\` in lines [${lines.join(', ')}]. Please ensure it is unique.`,
    { block_id: state.id, match_count: offsets.length, matches },
  )
}

export function limitBelowLength(state: BlockState, length: number, limit: number): Rejection {
  return rejection(
    'limit_below_length',
    `The block has ${length} characters, more than the new limit of ${limit}`,
    { block_id: state.id, length, limit },
  )
}

export function anchorLost(
  state: BlockState,
  asked: number | string,
  lostAt: ChangeReference | undefined,
): Rejection {
  const what = typeof asked === 'number' ? `Line ${asked}` : `The line \`${echo(asked)}\``
  const how = lostAt ? ` was rewritten at version ${lostAt.version}` : ' is not there'
  return rejection('anchor_lost', `${what}${how}; the block's policy is to refuse such an insert`, {
    block_id: state.id,
    ...(typeof asked === 'number' ? { line: asked } : { after: echo(asked) }),
    ...(lostAt ? { lost_at: lostAt } : {}),
  })
}

export function anchorAmbiguous(
  state: BlockState,
  anchor: string,
  lines: readonly number[],
): Rejection {
  const shown = lines.slice(0, MATCHES_SHOWN_MAX)
  return rejection(
    'anchor_ambiguous',
    `The line \`${echo(anchor)}\` stands ${lines.length} times, in lines [${shown.join(', ')}${shown.length < lines.length ? ', …' : ''}]`,
    { block_id: state.id, match_count: lines.length, lines: shown },
  )
}

/** Refused because of what its writer had not seen: with that, and with the text as it is now. */
export function staleBase(state: BlockState, writer: Writer): Rejection {
  const missed = unseen(state, writer)
  const { label, policies } = state.settings
  const since = forgotten(state, writer)
    ? `too much has changed since version ${writer.baseVersion}`
    : `it changed since version ${writer.baseVersion}`
  return rejection(
    'stale_base',
    `Block ${label} was not rewritten, because ${since} in ways its writer had not seen`,
    {
      block_id: state.id,
      policies,
      base_version: writer.baseVersion,
      ...unseenFacts(state, missed),
      current: echo(state.value, CURRENT_LENGTH_MAX),
    },
  )
}

function unseenFacts(state: BlockState, missed: readonly TextChange[]): Record<string, unknown> {
  const named = missed.slice(-NAMED_MAX)
  return {
    unseen: named.map((change) => change.version),
    unseen_count: missed.length,
    diff: tellChanges(state, named, QUOTED_LENGTH_MAX),
  }
}

export function baseVersionRequired(state: BlockState, policy: string): Rejection {
  return rejection(
    'base_version_required',
    `The policy of block ${state.settings.label} is ${policy}: say which version you have seen`,
    { block_id: state.id, policy },
  )
}

export function rethinkConflict(
  state: BlockState,
  baseVersion: number,
  conflicts: readonly MergeConflict[],
): Rejection {
  return rejection(
    'rethink_conflict',
    `Your text and the changes since version ${baseVersion} change the same lines of block ${state.settings.label}`,
    {
      block_id: state.id,
      base_version: baseVersion,
      hunks: hunks(conflicts),
      current: echo(state.value, CURRENT_LENGTH_MAX),
    },
  )
}

function hunks(conflicts: readonly MergeConflict[]): MergeConflict[] {
  return conflicts.slice(0, NAMED_MAX).map(({ line, base, mine, theirs }) => ({
    line,
    base: echo(base, QUOTED_LENGTH_MAX),
    mine: echo(mine, QUOTED_LENGTH_MAX),
    theirs: echo(theirs, QUOTED_LENGTH_MAX),
  }))
}

export function notRevertible(state: BlockState, version: number, why: string): Rejection {
  return rejection('not_revertible', `Version ${version} of block ${state.settings.label} ${why}`, {
    block_id: state.id,
    version,
  })
}

/** @param since the later changes that touched what the edit had put in. */
export function revertConflict(
  state: BlockState,
  change: TextChange,
  since: readonly TextChange[],
  conflicts: readonly MergeConflict[],
): Rejection {
  const named = since.slice(-NAMED_MAX)
  return rejection(
    'revert_conflict',
    `Version ${change.version} cannot be undone by itself: what it wrote was changed again at version ${named.map(({ version }) => version).join(', ')}`,
    {
      block_id: state.id,
      version: change.version,
      versions: named.map(({ version }) => version),
      actors: named.map(({ actor }) => actor),
      hunks: conflicts.length > 0 ? hunks(conflicts) : tellChanges(state, named, QUOTED_LENGTH_MAX),
    },
  )
}

/** @param found 0-based lines at which the hunk fits: none, or several. */
export function hunkFault(
  state: BlockState,
  hunk: string,
  line: number,
  found: readonly number[],
): Rejection {
  const facts = { block_id: state.id, hunk: echo(hunk, QUOTED_LENGTH_MAX), patch_line: line }
  if (found.length > 1) {
    return rejection(
      'replace_ambiguous',
      `Patch failed: the hunk at line ${line} of the patch matched multiple places. Give it more lines of context.`,
      {
        ...facts,
        match_count: found.length,
        lines: found.slice(0, MATCHES_SHOWN_MAX).map((at) => at + 1),
      },
    )
  }
  return rejection(
    'replace_no_match',
    `Patch failed: expected hunk context not found in memory block \`${state.settings.label}\` (the hunk at line ${line} of the patch).`,
    { ...facts, nearest: nearest(state.value, hunk) },
  )
}
