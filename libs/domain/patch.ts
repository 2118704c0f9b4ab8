import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import { lines } from './text.js'

/** Lines that stand in a text, and what they become. Without any old lines: what comes at the end. */
export interface Hunk {
  /** 1-based line of the patch at which it begins. */
  readonly line: number
  readonly old: readonly string[]
  readonly new: readonly string[]
}

const FILE_HEADER = /^(---|\+\+\+)( |$)/

/**
 * Reads the hunks of a patch. A line begins with a space (it stays), `-` (it goes) or `+` (it comes); an
 * empty line is an empty line that stays; `@@` begins the next hunk; file headers and other words are passed over.
 */
export function parseHunks(patch: string): Decided<Hunk[]> {
  const hunks: Hunk[] = []
  let open: { line: number; old: string[]; new: string[] } | null = null
  const all = lines(patch)
  for (const [i, raw] of all.entries()) {
    if (raw.startsWith('@@')) {
      open = null
      continue
    }
    if (!open && (FILE_HEADER.test(raw) || raw === '')) continue
    const [mark, content] = raw === '' ? [' ', ''] : [raw[0], raw.slice(1)]
    if (mark !== ' ' && mark !== '-' && mark !== '+') continue
    if (raw === '' && i === all.length - 1) continue
    if (!open) {
      open = { line: i + 1, old: [], new: [] }
      hunks.push(open)
    }
    if (mark !== '+') open.old.push(content as string)
    if (mark !== '-') open.new.push(content as string)
  }
  return hunks.length > 0 ? accept(hunks) : reject(noHunks())
}

function noHunks(): Rejection {
  return rejection('invalid_argument', 'No applicable hunks found in the patch', {
    parameter: 'patch',
  })
}

/** 0-based lines at which these stand one after the other. */
export function placesOf(all: readonly string[], wanted: readonly string[]): number[] {
  const found: number[] = []
  for (let i = 0; i + wanted.length <= all.length; i++) {
    if (wanted.every((line, k) => all[i + k] === line)) found.push(i)
  }
  return found
}
