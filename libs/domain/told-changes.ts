import type { ChangeReference } from './block-events.js'
import { type TextChange, textAt } from './block-memory.js'
import type { BlockState } from './block-state.js'
import { reference } from './block-state.js'
import { echo } from './errors.js'
import * as text from './text.js'

/** What one splice did, in words a reader can place: 1-based line, what went and what came, shortened. */
export interface ToldEdit {
  readonly line: number
  readonly removed: string
  readonly added: string
}

/** A change as somebody is told of it who has not seen it. */
export interface ToldChange extends ChangeReference {
  readonly edits: readonly ToldEdit[]
  /** Edits of this change beyond those named. */
  readonly more: number
}

/** A line feed at the border of an edit only makes room for its line. */
const ROOM = /^\n|\n$/g
const EDITS_TOLD_MAX = 3

/** @param lengthMax code points of each text that is quoted. */
export function tellChanges(
  state: BlockState,
  changes: readonly TextChange[],
  lengthMax: number,
): ToldChange[] {
  return changes.map((change) => {
    let value = textAt(state.memory, change.version - 1)
    const edits = change.effect.slice(0, EDITS_TOLD_MAX).map((splice): ToldEdit => {
      const removed = text.slice(value, splice.offset, splice.offset + splice.delete)
      const room = (splice.insert || removed).startsWith('\n') ? 1 : 0
      const line = text.lineAt(value, splice.offset) + room
      value = text.apply(value, [splice])
      return { line, removed: quoted(removed, lengthMax), added: quoted(splice.insert, lengthMax) }
    })
    return { ...reference(change), edits, more: change.effect.length - edits.length }
  })
}

function quoted(piece: string, lengthMax: number): string {
  return echo(piece.replace(ROOM, ''), lengthMax)
}
