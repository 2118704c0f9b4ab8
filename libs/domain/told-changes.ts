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
      const at = text.lineAt(value, splice.offset)
      value = text.apply(value, [splice])
      const { line, added } =
        change.type === 'TextInserted'
          ? asLines(splice.insert, at)
          : { line: at + (isOfLines(splice.insert || removed) ? 1 : 0), added: splice.insert }
      return { line, removed: echo(removed, lengthMax), added: echo(added, lengthMax) }
    })
    return { ...reference(change), edits, more: change.effect.length - edits.length }
  })
}

/** What begins with a line feed begins with the next line. */
function isOfLines(piece: string): boolean {
  return piece.startsWith('\n')
}

/** A line feed at the border of an insert only makes room for its line. */
function asLines(insert: string, at: number): { line: number; added: string } {
  if (insert.startsWith('\n')) return { line: at + 1, added: insert.slice(1) }
  return { line: at, added: insert.endsWith('\n') ? insert.slice(0, -1) : insert }
}
