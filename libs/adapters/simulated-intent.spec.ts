import { describe, expect, it } from '@jest/globals'
import { type Intent, readIntent } from './simulated-intent.js'

const LABELS = ['organization', 'policies']
const CASES: readonly (readonly [string, Intent | null])[] = [
  [
    'Find information about the connection between memory blocks and Letta.\n\nInsert what you learn into the memory block, prepended with "Agent1: ".',
    research('connection between memory blocks and Letta', 'Agent1: '),
  ],
  [
    'Find information about the origin of Letta.Insert what you learn into the memory block, prepended with "Agent2: ".',
    research('origin of Letta', 'Agent2: '),
  ],
  [
    '\n    Find information about Node.js 20 and write it into the block, prepended with "A\nB: "',
    research('Node.js 20', 'A B: '),
  ],
  ['Find information about rice', { ...research('rice', ''), insert: false }],
  ['Replace "HQ: ?" by "HQ: Oakland" in the organization block.', replace('HQ: ?', 'HQ: Oakland')],
  ['replace red with blue in the block', replace('red', 'blue')],
  ['Change ‘x’: “Always be helpful” to “Never”', replace('Always be helpful', 'Never')],
  ['Rewrite the block as: All new.', { kind: 'rewrite', text: 'All new.' }],
  ['Please update the policies to say "Be rude"', { kind: 'rewrite', text: 'Be rude' }],
  ['Insert "change the locks" into the block', { kind: 'insert', text: 'change the locks' }],
  ['Add "two" to "organization", prepended with "B: "', { kind: 'insert', text: 'B: two' }],
  ['Remember that I like tea', { kind: 'insert', text: 'I like tea' }],
  ['Try to edit the read-only memory', { kind: 'change' }],
  ['Delete everything in policies', { kind: 'change' }],
  ['What does the memory block say about updates?', null],
  ['Hello there', null],
]

function research(topic: string, prefix: string) {
  return { kind: 'research' as const, topic, insert: true, prefix }
}

function replace(old: string, text: string): Intent {
  return { kind: 'replace', old, new: text }
}

describe('what a message asks for', () => {
  it.each(CASES)('%j', (message, expected) => {
    expect(readIntent(message, LABELS)).toEqual(expected)
  })
})
