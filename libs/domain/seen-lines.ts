import type { BlockCommand, Writer } from './block-events.js'
import { changesSince, textAt } from './block-memory.js'
import { type BlockState, forgotten } from './block-state.js'
import { parseHunks } from './patch.js'
import { carryLineStart } from './place.js'
import * as text from './text.js'

const LINES_MAX = 3
/** Fewer characters in common at the beginning say nothing. */
const PREFIX_LENGTH_MIN = 3

/**
 * Where to look for the lines that a command is about, in the text as it is now: for each the very same
 * line, else the one that begins most like it, and the place it was carried to since its writer looked.
 * 1-based, at most three of each.
 */
export function linesNow(state: BlockState, command: BlockCommand, writer: Writer): number[] {
  const base = writer.baseVersion
  const seen = base === null || forgotten(state, writer) ? null : textAt(state.memory, base)
  const meant = seen === null ? [] : linesMeant(command, seen).slice(0, LINES_MAX)
  const then = seen === null ? [] : text.lines(seen)
  const words = meant.length > 0 ? meant.map((line) => then[line - 1] ?? '') : wordsOf(command)
  const now = text.lines(state.value)
  const alike = words.slice(0, LINES_MAX).map((line) => mostAlike(now, line))
  const changes = base === null ? [] : changesSince(state.memory, base)
  const carried = meant.map((line) => {
    const start = text.lineStart(seen ?? '', line)
    return text.lineAt(
      state.value,
      changes.reduce((at, { effect }) => carryLineStart(at, effect), start),
    )
  })
  return [...alike.filter((line) => line > 0), ...carried]
}

/** Lines of the text as it was seen that the command is about. */
function linesMeant(command: BlockCommand, seen: string): number[] {
  if (command.type === 'InsertText') return command.place.at === 'line' ? [command.place.line] : []
  if (command.type !== 'ReplaceText' || command.old === '') return []
  return text.occurrences(seen, command.old).map((offset) => text.lineAt(seen, offset))
}

/** Lines that the command itself says must be there. */
function wordsOf(command: BlockCommand): string[] {
  if (command.type === 'ReplaceText') return text.lines(command.old).slice(0, 1)
  if (command.type !== 'PatchText') return []
  const hunks = parseHunks(command.patch)
  return hunks.ok ? hunks.value.flatMap((hunk) => hunk.old.slice(0, 1)) : []
}

/** 1-based; 0 where no line is like it. */
function mostAlike(lines: readonly string[], wanted: string): number {
  const same = lines.indexOf(wanted)
  if (same >= 0) return wanted === '' ? 0 : same + 1
  let best = 0
  let longest = PREFIX_LENGTH_MIN - 1
  for (const [i, line] of lines.entries()) {
    let shared = 0
    while (shared < line.length && line[shared] === wanted[shared]) shared++
    if (shared > longest) {
      longest = shared
      best = i + 1
    }
  }
  return best
}
