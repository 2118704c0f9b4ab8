import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { edit, measure, type Splice } from './text.js'
import { editAll } from './text-run.js'

const unit = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom('a', 'é', '—', '\n') },
  { weight: 1, arbitrary: fc.constant('\u{1f600}') },
)
const text = fc.string({ unit, maxLength: 12 })
const places = fc.array(fc.tuple(fc.nat(60), fc.nat(6), text, fc.boolean()), {
  minLength: 40,
  maxLength: 200,
})

describe('a run of edits', () => {
  it('gives what the edits give one by one, whatever characters come and go', () => {
    fc.assert(
      fc.property(text, places, (value, wanted) => {
        let expected = measure(value)
        const effects: Splice[][] = []
        for (const [at, remove, insert, twice] of wanted) {
          const offset = Math.min(at, expected.length)
          const splice = { offset, delete: Math.min(remove, expected.length - offset), insert }
          const effect = twice ? [splice, { offset: 0, delete: 0, insert: 'b' }] : [splice]
          expected = edit(expected, effect)
          effects.push(effect)
        }
        expect(expected).toEqual(measure(expected.value))
        expect(editAll(measure(value), effects)).toEqual(expected)
      }),
    )
  })

  it('grows a text past what is applied in place, and shrinks it to nothing', () => {
    const line = 'x'.repeat(1_000)
    const grow = Array.from({ length: 100 }, (_, i) => [
      { offset: i * 1_000, delete: 0, insert: line },
    ])
    const grown = editAll(measure(''), grow)
    expect(grown).toEqual(measure(line.repeat(100)))
    const shrink = grow.map(() => [{ offset: 0, delete: 1_000, insert: '' }])
    expect(editAll(grown, shrink)).toEqual(measure(''))
  })
})
