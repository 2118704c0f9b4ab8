import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { effectOf } from './edit-payload.js'
import { decoded, encoded } from './event-row.js'

const unit = fc.oneof(
  fc.constantFrom('"', '\\', '{', '}', ',', '\n', 'é', '—', '\u{1f642}'),
  fc.string(),
)
const text = fc.array(unit, { maxLength: 8 }).map((units) => units.join(''))
const splice = fc.record({ offset: fc.nat(), delete: fc.nat(), insert: text })
const place = fc.oneof(
  fc.constant({ at: 'end' }),
  fc.record({ at: fc.constant('line'), line: fc.nat() }),
)
const intent = fc.oneof(
  fc.record({ text, place }),
  fc.record({ old: text, new: text }),
  fc.record({ old: text, new: text, all: fc.constant(true) }),
  fc.record({ text, policy: fc.constant('overwrite') }),
)
const receipt = fc.oneof(
  fc.record({ placed: fc.constant('end'), line: fc.nat(), lines: fc.nat() }),
  fc.record({ overwrote: fc.array(fc.record({ version: fc.nat(), type: text })), effect: text }),
)
const edit = fc.record({
  intent,
  effect: fc.array(splice, { maxLength: 2 }),
  receipt: fc.option(receipt, { nil: undefined }),
  length: fc.nat(),
})

describe('the effect of a payload', () => {
  it('is what a parser of JSON gives, whatever the texts of the edit are', () => {
    fc.assert(
      fc.property(edit, (payload) => {
        const json = JSON.stringify(payload)
        const { effect } = JSON.parse(json)
        expect(effectOf(json)).toEqual(effect)
        if (json.isWellFormed()) expect(effectOf(encoded(json), decoded)).toEqual(effect)
      }),
    )
  })

  const effect = '"effect":[{"offset":1,"delete":2,"insert":"a"}]'
  const other = '"effect":[{"offset":9,"delete":9,"insert":"b"}]'
  it.each([
    ['stands twice', `{"intent":{"text":"t","place":{"at":"end"}},${effect},${other},"length":1}`],
    ['stands in the intent too', `{"intent":{"text":"t",${other}},${effect},"length":1}`],
    [
      'is looked like by a text',
      `{"intent":{"old":"\\",${other.replaceAll('"', '\\"')}","new":""},${effect},"length":1}`,
    ],
    [
      'stands in the receipt too',
      `{"intent":{"text":"t","policy":"overwrite"},${effect},"receipt":{${other}},"length":1}`,
    ],
    ['is set with spaces', `{ "intent":{"text":"t","policy":"overwrite"}, ${effect}, "length":1 }`],
    [
      'is escaped',
      `{"intent":{"text":"t","policy":"overwrite"},${effect},"\\u0065ffect":[],"length":1}`,
    ],
    [
      'is of a number in other words',
      `{"intent":{"text":"t","policy":"overwrite"},${effect.replace('1', '1e0')},"length":1}`,
    ],
    [
      'is very long',
      `{"intent":{"text":"${'t'.repeat(100_000)}","policy":"overwrite"},${effect},"length":1}`,
    ],
  ])('is the same where it %s', (_, json) => {
    expect(effectOf(json)).toEqual(JSON.parse(json).effect)
  })

  it('is null where there is none', () => {
    expect(effectOf('{"intent":{},"length":1}')).toBeNull()
  })
})
