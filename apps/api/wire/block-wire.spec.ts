import { describe, expect, it } from '@jest/globals'
import type { BlockView } from '#read-models/blocks.js'
import { golden } from '../../../test/support/contract.js'
import { parseBody } from '../http/validation.js'
import { insertion } from './block-edit-wire.js'
import { blockPatch, blockSettings, newBlock, newBlockSettings, renderBlock } from './block-wire.js'

const view: BlockView = {
  id: 'block-a46ef94a-4480-4bc6-af91-5d24d141b3eb',
  version: 5,
  value: 'Organization: Letta',
  settings: {
    label: 'organization',
    description: null,
    limit: 4000,
    read_only: false,
    tags: [],
    metadata: {},
    hidden: null,
    is_template: false,
    preserve_on_migration: false,
    project_id: null,
    template_name: null,
    policies: { rethink: 'overwrite', replace: 'text', anchor_lost: 'end' },
  },
  deleted: false,
  createdAt: new Date('2026-01-05T09:00:00.000Z'),
  createdBy: { kind: 'user', id: 'user-47c403a0-1184-42f0-bf4e-ac17999ab496' },
  updatedAt: new Date('2026-01-05T09:00:41.000Z'),
  updatedBy: { kind: 'agent', id: 'agent-132a327b-ccfb-4db4-b228-00ed1567a5f1', name: 'agent2' },
}

function codeOf(act: () => unknown): unknown {
  try {
    act()
  } catch (problem) {
    return (problem as { code: unknown }).code
  }
  return null
}

describe('a block on the wire', () => {
  it('is the published sample, key by key, and says what becomes of edits', () => {
    const sample = golden('block')
    const { policies, ...published } = renderBlock({ ...view, value: String(sample['value']) })
    expect(published).toEqual(sample)
    expect(policies).toEqual(view.settings.policies)
  })

  it('is made of what clients send: null is absent, an unknown field is ignored', () => {
    const body = parseBody(newBlock, { label: 'a', value: null, description: null, other: 1 })
    expect(body.value).toBe('')
    expect(newBlockSettings(body)).toEqual({ label: 'a' })
    expect(codeOf(() => parseBody(newBlock, { label: 'a' }))).toBe('invalid_type')
  })

  it('gets a description for a classic label, unless its creator wrote one', () => {
    const made = (body: object) => newBlockSettings(parseBody(newBlock, { value: '', ...body }))
    expect(made({ label: 'human' }).description).toMatch(/person/)
    expect(made({ label: 'persona', description: 'mine' }).description).toBe('mine')
    expect(made({ label: 'constructor' })).toEqual({ label: 'constructor' })
  })

  it('is changed only by fields that are there and not null', () => {
    const body = parseBody(blockPatch, { value: null, label: null, limit: 5, tags: ['a', 'a'] })
    expect(body.value).toBeUndefined()
    expect(blockSettings(body)).toEqual({ limit: 5, tags: ['a'] })
  })
})

describe('an edit in our own words', () => {
  it.each([
    [{ new_string: 'a', nope: 1 }, 'unknown_field'],
    [{ new_string: 'a', insert_line: 1.5 }, 'invalid_type'],
    [{ new_string: 'a', base_version: -1 }, 'invalid_type'],
    [{ new_string: 'a', base_version: 1.5 }, 'invalid_type'],
    [{ new_string: 'a', base_version: '1' }, 'invalid_type'],
    [{ new_string: null }, 'invalid_type'],
    [{ new_string: 'a', after: 'b', insert_line: 1 }, 'invalid_argument'],
    [{ new_string: 'a', after: 'b', unique_line: true }, null],
    [{ new_string: 'a', base_version: 0, insert_line: -1 }, null],
  ])('%j is answered with %s', (body, code) => {
    expect(codeOf(() => parseBody(insertion, body))).toBe(code)
  })
})
