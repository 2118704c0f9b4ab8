import { describe, expect, it } from '@jest/globals'
import {
  applyPatch,
  code,
  configure,
  created,
  insert,
  refusal,
  replace,
  rethink,
} from '../../test/support/block-commands.js'
import type { BlockCommand } from './block-events.js'
import { labelFault } from './block-preconditions.js'
import { NUMBERED_VIEW_BANNER } from './text.js'

const numbered = (command: BlockCommand) => ({ ...command, numbered: true }) as BlockCommand
const plain = (command: BlockCommand) => ({ ...command, numbered: false }) as BlockCommand
describe('a text that cannot be stored', () => {
  it.each<[parameter: string, command: (text: string) => BlockCommand]>([
    ['new_string', (text) => numbered(insert(text))],
    ['content', (text) => plain(insert(text))],
    ['old_string', (text) => numbered(replace(text, 'x'))],
    ['new_string', (text) => numbered(replace('x', text))],
    ['old_content', (text) => plain(replace(text, 'x'))],
    ['new_content', (text) => plain(replace('x', text))],
    ['new_memory', (text) => rethink(text)],
    ['patch', (text) => applyPatch(text)],
    ['value', (text) => configure({}, text)],
  ])('in %s is named', (parameter, command) => {
    expect(refusal(created('a'), command('a\0'))).toEqual({
      code: 'nul_not_allowed',
      detail: `${parameter} contains a NUL character`,
      facts: { parameter },
      atVersion: 1,
    })
    for (const half of ['\ud83d', '\ude00', '\ude00\ud83d', 'a\ud83d b']) {
      expect(refusal(created('a'), command(half))).toEqual({
        code: 'lone_surrogate',
        detail: `${parameter} contains a lone surrogate`,
        facts: { parameter },
        atVersion: 1,
      })
    }
  })
})

describe('an empty text', () => {
  it.each([
    ['new_string', numbered(insert(''))],
    ['content', plain(insert(''))],
    ['old_string', numbered(replace('', 'x'))],
    ['old_content', plain(replace('', 'x'))],
  ])('in %s is refused', (parameter, command) => {
    expect(refusal(created('a'), command)).toEqual({
      code: 'empty_text',
      detail: `${parameter} is empty`,
      facts: { parameter },
      atVersion: 1,
    })
  })

  it('elsewhere is legal: it removes, and it clears', () => {
    for (const command of [
      replace('a', ''),
      rethink(''),
      configure({}, ''),
      insert(' '),
      insert('\n'),
    ]) {
      expect(code(created('a'), command)).toBeNull()
    }
  })
})

describe('what only a numbered view shows', () => {
  it.each(['1→ x', '12→x', 'a\n 3→', '\t4→ x', 'a\n\n١→ x', ' \t 5→'])(
    'is refused from its readers: %j',
    (text) => {
      expect(refusal(created('a'), numbered(insert(text)))).toEqual({
        code: 'line_number_prefix',
        detail:
          'new_string contains a line number prefix, which is not part of the text: leave it out',
        facts: { parameter: 'new_string' },
        atVersion: 1,
      })
      for (const command of [replace(text, 'x'), replace('a', text), rethink(text)]) {
        expect(code(created('a'), numbered(command))).toBe('line_number_prefix')
      }
      for (const command of [insert(text), rethink(text), replace('a', text)]) {
        expect(code(created('a'), plain(command))).toBeNull()
      }
      expect(code(created('a'), configure({}, text))).toBeNull()
    },
  )

  it.each(['a 1→ x', '1 → x', '→', '1->', 'a\r1→', 'a\u20281→', 'x1→'])('is not %j', (text) => {
    expect(code(created('a'), numbered(insert(text)))).toBeNull()
  })

  it('is its banner too', () => {
    expect(refusal(created('a'), numbered(rethink(`x ${NUMBERED_VIEW_BANNER} y`)))).toEqual({
      code: 'line_number_banner',
      detail:
        'new_memory contains a line number warning, which is not part of the text: leave it out',
      facts: { parameter: 'new_memory' },
      atVersion: 1,
    })
    expect(code(created('a'), plain(insert(NUMBERED_VIEW_BANNER)))).toBeNull()
    expect(NUMBERED_VIEW_BANNER).toBe(
      "# NOTE: Line numbers shown below (with arrows like '1→') are to help during editing. Do NOT include line number prefixes in your memory edit tool calls.",
    )
  })
})

describe('a label', () => {
  it.each(['a', 'a b', 'notes/2', '\u{1f600}'.repeat(100), 'a"b\'c', 'a\u00a0b', 'über'])(
    'may be %j',
    (label) => {
      expect(labelFault(label)).toBeNull()
      expect(code(created('a'), configure({ label }))).toBeNull()
    },
  )

  it.each([
    '',
    '\u{1f600}'.repeat(101),
    'a<',
    '>a',
    'a&b',
    'a\nb',
    'a\u0085b',
    ' a',
    'a ',
    '\u00a0a',
    'a\u2003',
    '\ud800',
    'a\0',
  ])('may not be %j', (label) => {
    expect(labelFault(label)).toEqual({
      code: 'invalid_label',
      detail:
        'A label has 1 to 100 characters, no control characters, no <, > or &, and no space at either end',
      facts: { parameter: 'label' },
    })
    expect(code(created('a'), configure({ label }))).toBe('invalid_label')
  })
})
