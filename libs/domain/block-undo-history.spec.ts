import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  code,
  created,
  edited,
  insert,
  replace,
  rethink,
  undo,
} from '../../test/support/block-commands.js'
import { anyText } from '../../test/support/texts.js'
import type { BlockCommand } from './block-events.js'

describe('any history', () => {
  /** A text of cells, each written by whoever comes, so that what a history without one edit gives is known. */
  const cells = ['a', 'b', 'c', 'd', 'e']
  const step = fc.record({
    cell: fc.nat(cells.length - 1),
    word: fc.constantFrom('', 'X', 'yy', '\u{1f600}', 'z\nz'),
    kind: fc.constantFrom('write' as const, 'insert' as const, 'undo' as const),
    which: fc.nat(),
  })

  it('without one edit is what its undo gives, where nobody touched what it wrote; else it is refused', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const text = (values: readonly string[], tail: readonly string[]) =>
          [values.map((value, i) => `<${i}:${value}>`).join('|'), ...tail].join('\n')
        let state = created(text(cells, []))
        let values = [...cells]
        let tail: string[] = []
        /** What each version wrote over what, and whether it stands as it was written. */
        const edits = new Map<
          number,
          { cell?: number; before: string; line?: string; stands: boolean }
        >()
        const write = (cell: number, value: string, by: BlockCommand): void => {
          for (const edit of edits.values()) if (edit.cell === cell) edit.stands = false
          const before = values[cell] as string
          values = values.map((old, i) => (i === cell ? value : old))
          state = edited(state, by)
          edits.set(state.version, { cell, before, stands: true })
        }
        for (const [i, { cell, word, kind, which }] of steps.entries()) {
          const version = state.version
          if (kind === 'write') {
            const value = `${word}${i}`
            write(cell, value, replace(`<${cell}:${values[cell]}>`, `<${cell}:${value}>`))
          } else if (kind === 'insert') {
            const line = `line ${i}`
            tail = [...tail, line]
            state = edited(state, insert(line))
            edits.set(state.version, { before: '', line, stands: true })
          } else {
            const [at, edit] = [...edits][which % Math.max(1, edits.size)] ?? []
            if (at === undefined || !edit) continue
            if (!edit.stands) {
              expect(code(state, undo(at))).toBe('revert_conflict')
              continue
            }
            if (edit.cell !== undefined) write(edit.cell, edit.before, undo(at))
            else {
              tail = tail.filter((line) => line !== edit.line)
              edit.stands = false
              state = edited(state, undo(at))
            }
          }
          expect(state.value).toBe(text(values, tail))
          expect(state.version).toBe(version + 1)
        }
      }),
    )
  })

  it('is never shorter than it was, and its newest undo can itself be undone', () => {
    const command = fc.oneof(
      fc.nat(12).map((version) => undo(version + 1)),
      fc
        .constantFrom('a', 'b', 'ab', '\n')
        .chain((old) => anyText.map((to) => replace(old, to, true))),
      anyText.filter(Boolean).map((text) => insert(text)),
      anyText.map(rethink),
    )
    fc.assert(
      fc.property(anyText, fc.array(command, { maxLength: 10 }), (value, commands) => {
        let state = created(value)
        for (const one of commands) {
          if (one.type === 'RevertEdit' && one.version > state.version) continue
          const before = state
          if (code(before, one) !== null) continue
          const after = edited(before, one)
          expect(after.version).toBeGreaterThanOrEqual(before.version)
          if (one.type === 'RevertEdit' && after.version > before.version) {
            expect(edited(after, undo(after.version)).value).toBe(before.value)
          }
          state = after
        }
      }),
    )
  })
})
