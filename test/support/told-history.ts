import fc from 'fast-check'
import { createBlock, decideBlock } from '#domain/block.js'
import type { BlockCommand, BlockEvent } from '#domain/block-events.js'
import { evolveBlock, initialBlock } from '#domain/block-state.js'
import type { Recorded } from '#domain/event.js'
import { apply, length, slice } from '#domain/text.js'

const user = { kind: 'user', id: 'local' } as const
export type Recording = Recorded<BlockEvent>

/** A block as its commands make it, one after another; those that are refused or change nothing leave no event. */
export interface History {
  readonly events: Recording[]
  /** The text at every version, from 0 on. */
  readonly texts: string[]
  readonly value: string
  readonly commands: readonly Told[]
}

export type Told = () => BlockCommand

export function told(value: string, commands: readonly Told[]): History {
  let state = initialBlock('block-1')
  const events: Recording[] = []
  const texts = ['']
  const record = (all: readonly BlockEvent[]): void => {
    for (const event of all) {
      const recorded: Recording = {
        ...event,
        ...{ version: state.version + 1, actor: user, commandId: '', correlation: null },
        ...{ baseVersion: null, recordedAt: '' },
      }
      state = evolveBlock(state, recorded)
      events.push(recorded)
      texts.push(state.value)
    }
  }
  const created = createBlock(state, value, { label: 'notes' })
  if (created.ok) record(created.value.events)
  for (const command of commands) {
    const decided = decideBlock(state, command(), { actor: user, baseVersion: null })
    if (decided.ok) record(decided.value.events)
  }
  return { events, texts, value, commands }
}

export const insert = (text: string, line?: number) => (): BlockCommand => ({
  type: 'InsertText',
  text,
  place: line === undefined ? { at: 'end' } : { at: 'line', line },
  numbered: false,
})
export const replace =
  (old: string, to: string, all = false) =>
  (): BlockCommand => ({ type: 'ReplaceText', old, new: to, all, numbered: false })
export const rethink = (text: string) => (): BlockCommand => ({
  type: 'RethinkBlock',
  text,
  numbered: false,
})
export const undo = (version: number) => (): BlockCommand => ({ type: 'RevertEdit', version })

/** A restore needs the text it goes back to, which only the history knows. */
function toldWithRestores(value: string, steps: readonly Step[]): History {
  const commands: Told[] = []
  for (const step of steps) {
    const texts = told(value, commands).texts
    commands.push(commandOf(step, texts))
  }
  return told(value, commands)
}

type Step = readonly [kind: number, text: string, a: number, b: number]

function commandOf([kind, text, a, b]: Step, texts: readonly string[]): Told {
  const now = texts.at(-1) as string
  const version = 1 + (a % (texts.length - 1))
  const from = a % (length(now) + 1)
  const old = slice(now, from, Math.min(from + 1 + (b % 4), length(now)))
  switch (kind) {
    case 0:
      return insert(text)
    case 1:
      return insert(text, a % (now.split('\n').length + 1))
    case 2:
      return replace(old, text, true)
    case 3:
      return rethink(apply(now, [{ offset: from, delete: length(old), insert: text }]))
    case 4:
      return rethink(text)
    case 5:
      return undo(version + 1)
    default:
      return () => ({ type: 'RestoreBlock', version, text: texts[version] as string })
  }
}

const texts = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', '\n', 'é', '\u{1f600}'),
  maxLength: 8,
})
const steps = fc.array(fc.tuple(fc.nat(6), texts, fc.nat(40), fc.nat(8)), { maxLength: 14 })
/** Random histories, of every kind of edit. */
export const histories = fc.tuple(texts, steps).map(([value, all]) => toldWithRestores(value, all))
