import type {
  BlockCommand,
  BlockEvent,
  BlockSettings,
  Place,
  SettingsChange,
  Writer,
} from './block-events.js'
import { ambiguous, limitExceeded, lineOutOfRange, noMatch } from './block-refusals.js'
import type { BlockState } from './block-state.js'
import { forgotten, reference, unseen } from './block-state.js'
import { rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import * as text from './text.js'

/** The rules of the three words: insert adds, replace validates, rethink overwrites and says what it overwrote. */

const RECEIPT_CHANGES_MAX = 100

/** Adds `added` at the end or after a line. Never refused because of another insert, but for the limit. */
export function insert(state: BlockState, added: string, place: Place): Decided<BlockEvent[]> {
  const count = state.feeds + 1
  const line = place.at === 'end' ? count : place.line
  if (line < 0 || line > count) return reject(lineOutOfRange(state, line, count))
  const splice = text.insertAfterLine(state, line, added)
  const length = state.length + text.length(splice.insert)
  if (length > state.settings.limit)
    return reject(limitExceeded(state, length, state.settings.limit))
  const receipt = {
    placed: place.at,
    line: state.length === 0 ? 1 : line + 1,
    lines: text.lines(added).length,
  }
  return accept([
    {
      type: 'TextInserted',
      payload: { intent: { text: added, place }, effect: [splice], receipt, length },
    },
  ])
}

/** Replaces the one place where `old` stands, overlapping places counted; with `all`, every place. */
export function replace(
  state: BlockState,
  command: Extract<BlockCommand, { type: 'ReplaceText' }>,
  writer: Writer,
): Decided<BlockEvent[]> {
  const { old, new: replacement, all } = command
  const offsets = text.occurrences(state.value, old)
  if (offsets.length === 0) return reject(noMatch(state, command, writer))
  if (offsets.length > 1 && !all) return reject(ambiguous(state, old, offsets))
  const effect = text.replaceAll(state.value, old, replacement)
  const length = state.length + effect.length * (text.length(replacement) - text.length(old))
  if (length > state.settings.limit)
    return reject(limitExceeded(state, length, state.settings.limit))
  if (old === replacement) return accept([])
  const receipt = {
    matched: 'exact' as const,
    places: effect.length,
    line: text.lineAt(state.value, offsets[0] as number),
    unseen: unseen(state, writer).map((change) => change.version),
  }
  const intent = all ? { old, new: replacement, all } : { old, new: replacement }
  return accept([{ type: 'TextReplaced', payload: { intent, effect, receipt, length } }])
}

/** Overwrites, with a receipt: never in silence. */
export function rethink(
  state: BlockState,
  to: string,
  limit: number,
  writer: Writer,
): Decided<BlockEvent[]> {
  const length = text.length(to)
  if (length > limit) return reject(limitExceeded(state, length, limit))
  const effect = text.difference(state.value, to)
  if (effect.length === 0) return accept([])
  const lost = unseen(state, writer)
  const overwrote = lost.slice(-RECEIPT_CHANGES_MAX).map(reference)
  const more = lost.length > overwrote.length || forgotten(state, writer)
  const receipt = {
    overwrote,
    ...(more ? { truncated: true as const } : {}),
    replaced_version: state.version,
  }
  return accept([
    {
      type: 'BlockRethought',
      payload: { intent: { text: to, policy: 'overwrite' }, effect, receipt, length },
    },
  ])
}

/** Letta's PATCH: a new value is a rethink, everything else a change of settings, both in one commit. */
export function patch(
  state: BlockState,
  command: Extract<BlockCommand, { type: 'PatchBlock' }>,
  writer: Writer,
): Decided<BlockEvent[]> {
  const limit = command.settings.limit ?? state.settings.limit
  const texts =
    command.value === undefined
      ? accept<BlockEvent[]>([])
      : rethink(state, command.value, limit, writer)
  if (!texts.ok) return texts
  const length = texts.value[0]?.payload.length ?? state.length
  if (length > limit) {
    return reject(
      rejection(
        'limit_below_length',
        `The block has ${length} characters, more than the new limit of ${limit}`,
        {
          block_id: state.id,
          length,
          limit,
        },
      ),
    )
  }
  const change = settingsChange(state.settings, command.settings)
  if (Object.keys(change).length === 0) return texts
  return accept([
    ...texts.value,
    { type: 'BlockConfigured', payload: { intent: change, effect: [], length } },
  ])
}

function settingsChange(from: BlockSettings, to: Partial<BlockSettings>): SettingsChange {
  const changed = (Object.keys(to) as (keyof BlockSettings)[]).filter(
    (key) => to[key] !== undefined && JSON.stringify(to[key]) !== JSON.stringify(from[key]),
  )
  return Object.fromEntries(changed.map((key) => [key, { from: from[key], to: to[key] }]))
}
