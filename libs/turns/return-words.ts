import { echo } from '#domain/errors.js'
import { length } from '#domain/text.js'
import { type ChangeList, tellLists } from './told-words.js'

/** Code points of a return beside the text it shows. */
export const WORDS_LENGTH_MAX = 1_200

/** What a return says, in this order. Every piece is one line. */
export interface Words {
  /** Begins with the stable code. */
  readonly head: string
  /** Said in any case. */
  readonly must: readonly string[]
  /** Said as far as there is room. */
  readonly may: readonly string[]
  readonly lists: readonly ChangeList[]
  /** The one next action, where anything is asked for. */
  readonly next: string | null
}

/** @returns `complete`: the lists are there with every word. */
export function tellWords({ head, must, may, lists, next }: Words): {
  readonly lines: readonly string[]
  readonly complete: boolean
} {
  const last = next === null ? [] : [`Next: ${next}`]
  let room = WORDS_LENGTH_MAX - [head, ...last].reduce((sum, line) => sum + length(line) + 1, 0)
  const said: string[] = []
  for (const line of must) {
    if (room < 2) break
    const cut = echo(line, room - 2)
    said.push(cut)
    room -= length(cut) + 1
  }
  for (const line of may) {
    const size = length(line) + 1
    if (size > room) continue
    said.push(line)
    room -= size
  }
  const { lines, complete } = tellLists(lists, room)
  return { lines: [head, ...said, ...lines, ...last], complete }
}
