import { QUOTED_LENGTH_MAX } from '#commands/block-judgement.js'
import type { Actor } from '#domain/actor.js'
import type { BlockState } from '#domain/block-state.js'
import { unseen } from '#domain/block-state.js'
import { tellChanges } from '#domain/told-changes.js'
import type { StepState } from '#domain/turn.js'
import type { MemoryDelta, Seen } from '#domain/turn-events.js'
import { shownText } from './shown-text.js'
import { tellLists } from './told-words.js'

/** Changes that are told one by one, and code points of all that is told of one block. */
const CHANGES_TOLD_MAX = 8
const WORDS_LENGTH_MAX = 1_600

const INTRO =
  'While you were working, others changed memory blocks that you were shown. What stands here is newer than what stands above; your own edits are not listed.'

/** The delta of a step, and the versions its model knows in full afterwards. */
export interface BlockNews {
  readonly delta: MemoryDelta | null
  readonly seen: Seen
}

/**
 * What a running agent is told at a step boundary: the changes others made to its blocks since it was last
 * told of any. Short changes are quoted; where that is not enough, the text as it is now is shown. Only a block
 * that was told in full counts as seen.
 *
 * @param moved blocks that have moved, able to tell what happened since
 * @param seen versions the model knows in full, the returns of this step included
 * @param steps the turn so far: what was told once is not told again
 */
export function memoryDelta(
  moved: readonly BlockState[],
  seen: Seen,
  steps: readonly StepState[],
  reader: Actor,
  runId: string,
): BlockNews {
  const told = toldVersions(steps)
  const versions: Record<string, number> = {}
  const known: Record<string, number> = { ...seen }
  const parts: string[] = []
  for (const block of moved) {
    const base = Math.max(seen[block.id] ?? block.version, told[block.id] ?? 0)
    if (base >= block.version || !block.attached[reader.id]) continue
    const missed = unseen(block, { actor: reader, baseVersion: base, runId })
    if (missed.length === 0) continue
    const part = newsOf(block, base, missed)
    parts.push(part.text)
    versions[block.id] = block.version
    if (part.full) known[block.id] = block.version
  }
  if (parts.length === 0) return { delta: null, seen }
  const text = ['<memory_updates>', INTRO, '', parts.join('\n\n'), '</memory_updates>'].join('\n')
  return { delta: { text, versions }, seen: known }
}

function newsOf(
  block: BlockState,
  base: number,
  missed: ReturnType<typeof unseen>,
): { text: string; full: boolean } {
  const { label } = block.settings
  const changes = tellChanges(block, missed.slice(-CHANGES_TOLD_MAX), QUOTED_LENGTH_MAX)
  const intro = `${label} is at v${block.version}. Since v${base}:`
  const list = { intro, changes, count: missed.length }
  const { lines, complete } = tellLists([list], WORDS_LENGTH_MAX)
  if (complete) return { text: lines.join('\n'), full: true }
  const places = changes.flatMap(({ edits }) => edits.map(({ line }) => line))
  const shown = shownText({ version: block.version, text: block.value }, places)
  return { text: [...lines, ...shown.lines].join('\n'), full: shown.full }
}

/** Up to which version of each block the turn's model was told of changes, in full or not. */
export function toldVersions(steps: readonly StepState[]): Seen {
  return Object.assign({}, ...steps.map(({ delta }) => delta?.versions ?? {}))
}
