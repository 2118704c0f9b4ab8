import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { streamKind } from './event.js'
import { idFromBytes, parseId, uuidFromBytes } from './ids.js'

const prefixes = ['agent', 'block', 'message', 'run', 'step', 'tool'] as const
const UUID = '0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d'

describe('an id', () => {
  it('made of any 16 bytes is one of its prefix and of no other', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...prefixes),
        fc.uint8Array({ minLength: 16, maxLength: 20 }),
        (prefix, bytes) => {
          const id = idFromBytes(prefix, bytes)
          expect(prefixes.filter((other) => parseId(other, id) === id)).toEqual([prefix])
        },
      ),
    )
  })

  it('keeps every bit of its bytes but those that say version 4', () => {
    const bytes = Uint8Array.from({ length: 17 }, (_, i) => i * 16 + 1)
    expect(uuidFromBytes(bytes)).toBe('01112131-4151-4171-8191-a1b1c1d1e1f1')
    expect(uuidFromBytes(new Uint8Array(16).fill(255))).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff')
    expect(uuidFromBytes(new Uint8Array(16))).toBe('00000000-0000-4000-8000-000000000000')
  })

  it('is read in either case, and written in the lower one', () => {
    expect(parseId('block', `BLOCK-${UUID.toUpperCase()}`)).toBe(`block-${UUID}`)
  })

  it.each([
    UUID,
    `block-${UUID}0`,
    `xblock-${UUID}`,
    `-block-${UUID}`,
    `block-${UUID.slice(1)}`,
    `block_${UUID}`,
    `block-${UUID.replace('-4a', '-5a')}`,
    `block-${UUID.replace('-8c', '-7c')}`,
    `block-${UUID.replace('0a', '0g')}`,
    `block-${UUID}\n`,
    '',
  ])('is not %j', (text) => {
    expect(parseId('block', text)).toBeNull()
  })
})

describe('the kind of a stream', () => {
  it('is told by its prefix', () => {
    expect(['block-1', 'agent-1', 'run-1'].map(streamKind)).toEqual(['block', 'agent', 'turn'])
  })

  it.each(['tool-1', 'my-block-1', 'my-agent-1', 'my-run-1', 'block', ''])(
    'is none of %j',
    (id) => {
      expect(() => streamKind(id)).toThrow(`no stream has an id like ${id}`)
    },
  )
})
