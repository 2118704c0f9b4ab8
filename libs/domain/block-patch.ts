import {
  type BlockCommand,
  type BlockDecision,
  type BlockEvent,
  decided,
  type ReplaceReceipt,
  type Writer,
} from './block-events.js'
import { hunkFault, limitExceeded } from './block-refusals.js'
import { type BlockState, unseen } from './block-state.js'
import { accept, type Decided, reject } from './event.js'
import { type Hunk, parseHunks, placesOf } from './patch.js'
import * as text from './text.js'

/** Applies every hunk of a patch, or none: each must fit in exactly one place of the text as it is by then. */
export function patchText(
  state: BlockState,
  { patch }: Extract<BlockCommand, { type: 'PatchText' }>,
  writer: Writer,
): Decided<BlockDecision> {
  const hunks = parseHunks(patch)
  if (!hunks.ok) return hunks
  let value = state.value
  const effect: text.Splice[] = []
  for (const hunk of hunks.value) {
    const applied = applyHunk(state, value, hunk)
    if (!applied.ok) return applied
    effect.push(...text.difference(value, applied.value))
    value = applied.value
  }
  const length = text.length(value)
  if (length > state.settings.limit) {
    return reject(limitExceeded(state, length, state.settings.limit))
  }
  if (value === state.value) return accept(decided([], null))
  const receipt: ReplaceReceipt = {
    matched: 'patch',
    places: hunks.value.length,
    line: text.lineAt(state.value, effect[0]?.offset ?? 0),
    unseen: unseen(state, writer).map((change) => change.version),
  }
  const event: BlockEvent = {
    type: 'TextReplaced',
    payload: { intent: { patch }, effect, receipt, length },
  }
  return accept(decided([event], receipt))
}

function applyHunk(state: BlockState, value: string, hunk: Hunk): Decided<string> {
  if (hunk.old.length === 0) {
    return accept(value === '' ? hunk.new.join('\n') : [value, ...hunk.new].join('\n'))
  }
  const all = text.lines(value)
  const found = placesOf(all, hunk.old)
  const [at] = found
  if (at === undefined || found.length > 1) {
    return reject(hunkFault(state, hunk.old.join('\n'), hunk.line, found))
  }
  return accept([...all.slice(0, at), ...hunk.new, ...all.slice(at + hunk.old.length)].join('\n'))
}
