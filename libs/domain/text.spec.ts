import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { apply, edit, length, measure, type Splice } from './text.js'

const unit = fc.constantFrom('a', '\n', '\u{1f600}', '\u0301')
const text = fc.string({ unit, maxLength: 20 })
const places = fc.array(fc.tuple(fc.nat(30), fc.nat(5), text), { maxLength: 8 })

/** Splices that fit the text each of them meets, in any direction. */
function effectOn(value: string, wanted: readonly (readonly [number, number, string])[]): Splice[] {
  let points = length(value)
  return wanted.map(([at, deleted, insert]) => {
    const offset = Math.min(at, points)
    const remove = Math.min(deleted, points - offset)
    points += length(insert) - remove
    return { offset, delete: remove, insert }
  })
}

describe('splices', () => {
  it('are applied each on the text after the one before, in code points, and measured', () => {
    fc.assert(
      fc.property(text, places, (value, wanted) => {
        const effect = effectOn(value, wanted)
        const points = [...value]
        for (const { offset, delete: deleted, insert } of effect) {
          points.splice(offset, deleted, ...insert)
        }
        expect(apply(value, effect)).toBe(points.join(''))
        expect(edit(measure(value), effect)).toEqual(measure(points.join('')))
      }),
    )
  })
})
