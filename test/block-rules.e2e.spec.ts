import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type Product, startProduct } from './support/product.js'
import { makeBlock, type Rest, restOf, type WireBlock } from './support/rest.js'

let product: Product
let rest: Rest

beforeAll(async () => {
  product = await startProduct({ workers: 0 })
  rest = restOf(product.port)
})

afterAll(async () => {
  await product.close()
  expect(product.logged).toEqual([])
})

interface Edited {
  readonly block: WireBlock
  readonly version: number
  readonly changed: boolean
  readonly receipt: Record<string, unknown> | null
}

/** Posts an edit and gives what it came to, refused or not. */
function post(id: string, word: string, body: object, headers = {}) {
  return rest<Edited & Record<string, unknown>>('POST', `/v1/blocks/${id}/${word}`, body, headers)
}

async function edited(id: string, word: string, body: object): Promise<Edited> {
  const { status, body: answer, text } = await post(id, word, body)
  if (status !== 200) throw new Error(text)
  return answer
}

const read = async (id: string) => (await rest<WireBlock>('GET', `/v1/blocks/${id}`)).body
const started = (fields: object = {}) => makeBlock(rest, { value: 'one\ntwo\nthree', ...fields })

describe('an insert', () => {
  it('after a line goes where the line stands now, whatever was inserted above it meanwhile', async () => {
    const { id, version } = await started()
    await edited(id, 'insert', { new_string: 'above', insert_line: 0 })
    const insert = { new_string: 'mine', insert_line: 2, base_version: version }
    const { block, receipt } = await edited(id, 'insert', insert)
    expect(block.value).toBe('above\none\ntwo\nmine\nthree')
    expect(receipt).toMatchObject({ placed: 'line', line: 4, from_line: 2 })
  })

  it('after a line by its text needs that line once', async () => {
    const { id } = await started({ value: 'a\nb\na' })
    const there = await edited(id, 'insert', { new_string: 'x', after: 'b' })
    expect([there.block.value, there.receipt]).toEqual([
      'a\nb\nx\na',
      { placed: 'after', line: 3, lines: 1 },
    ])
    const twice = await post(id, 'insert', { new_string: 'x', after: 'a' })
    expect(twice).toMatchObject({ status: 409, body: { code: 'anchor_ambiguous', lines: [1, 4] } })
    const both = await post(id, 'insert', { new_string: 'x', after: 'a', insert_line: 1 })
    expect(both).toMatchObject({ status: 422, body: { code: 'invalid_argument' } })
    const gone = await edited(id, 'insert', { new_string: 'y', after: 'zz' })
    expect(gone.receipt).toMatchObject({ placed: 'end', reason: 'anchor_lost' })
  })

  it('whose line was rewritten goes to the end, or is refused, as the block says', async () => {
    for (const [anchor_lost, status] of [
      ['end', 200],
      ['reject', 409],
    ] as const) {
      const { id, version } = await started({ policies: { anchor_lost } })
      await edited(id, 'rethink', { new_memory: 'all new' })
      const insert = { new_string: 'mine', insert_line: 2, base_version: version }
      const answer = await post(id, 'insert', insert)
      expect(answer.status).toBe(status)
      if (status === 200) {
        expect(answer.body.receipt).toMatchObject({
          placed: 'end',
          reason: 'anchor_lost',
          from_line: 2,
          lost_at: { version: 2, type: 'BlockRethought' },
        })
      } else expect(answer.body).toMatchObject({ code: 'anchor_lost', lost_at: { version: 2 } })
    }
  })

  it('of a unique line that stands there already changes nothing, and says where', async () => {
    const { id, version } = await started()
    const again = await edited(id, 'insert', { new_string: 'two', unique_line: true })
    expect(again).toMatchObject({ version, changed: false, receipt: { existing_line: 2 } })
    const fresh = await edited(id, 'insert', { new_string: 'four', unique_line: true })
    expect(fresh).toMatchObject({ changed: true, block: { value: 'one\ntwo\nthree\nfour' } })
  })
})

describe('a replace', () => {
  it('that somebody else has made already is no conflict', async () => {
    const { id, version } = await started()
    const words = { old_string: 'two', new_string: 'TWO', base_version: version }
    await edited(id, 'replace', words)
    expect(await edited(id, 'replace', words)).toMatchObject({
      changed: false,
      version: 2,
      receipt: { already_applied_by: { version: 2, type: 'TextReplaced' } },
    })
  })

  it('means the words its writer saw, not a copy that came later', async () => {
    const { id, version } = await started()
    await edited(id, 'insert', { new_string: 'two', insert_line: 0 })
    const words = { old_string: 'two', new_string: 'TWO' }
    expect(await post(id, 'replace', words)).toMatchObject({
      status: 409,
      body: { code: 'replace_ambiguous', match_count: 2 },
    })
    const { block, receipt } = await edited(id, 'replace', { ...words, base_version: version })
    expect(block.value).toBe('two\none\nTWO\nthree')
    expect(receipt).toMatchObject({ matched: 'tracked', unseen: [2] })
  })

  it('whose words stand elsewhere now is made there, or refused where the block is strict', async () => {
    for (const [replace, status] of [
      ['text', 200],
      ['strict', 409],
    ] as const) {
      const { id, version } = await started({ policies: { replace } })
      await edited(id, 'replace', { old_string: 'two\n', new_string: '' })
      await edited(id, 'insert', { new_string: 'two' })
      const words = { old_string: 'two', new_string: 'TWO', base_version: version }
      const answer = await post(id, 'replace', words)
      expect(answer.status).toBe(status)
      if (status === 200) expect(answer.body.receipt).toMatchObject({ matched: 'relocated' })
      else expect(answer.body).toMatchObject({ code: 'stale_base', unseen: [2, 3] })
    }
  })
})

describe('a rethink', () => {
  const policy = (rethink: string) => started({ policies: { rethink } })

  it('under preserve keeps the lines others added, at the end', async () => {
    const { id, version } = await policy('preserve')
    await edited(id, 'insert', { new_string: 'theirs' })
    const mine = { new_memory: 'mine', base_version: version }
    const { block, receipt } = await edited(id, 'rethink', mine)
    expect(block.value).toBe('mine\ntheirs')
    expect(receipt).toMatchObject({ overwrote: [], kept: [{ version: 2 }] })
    const blind = await post(id, 'rethink', { new_memory: 'blind' })
    expect(blind).toMatchObject({ status: 428, body: { code: 'base_version_required' } })
  })

  it('under guard is refused with what changed and the text as it is; a second look succeeds', async () => {
    const { id, version } = await policy('guard')
    await edited(id, 'replace', { old_string: 'two', new_string: 'zwei' })
    const refused = await post(id, 'rethink', { new_memory: 'mine', base_version: version })
    expect(refused.faults()).toEqual([])
    expect(refused).toMatchObject({
      status: 409,
      headers: { 'x-should-retry': 'false' },
      body: {
        code: 'stale_base',
        unseen: [2],
        current: 'one\nzwei\nthree',
        diff: [{ version: 2, edits: [{ line: 2, removed: 'two', added: 'zwei' }] }],
      },
    })
    const seen = { new_memory: 'mine', base_version: 2 }
    expect((await edited(id, 'rethink', seen)).block.value).toBe('mine')
  })

  it('under merge joins what touches other lines, and refuses what touches the same', async () => {
    const { id, version } = await policy('merge')
    await edited(id, 'replace', { old_string: 'one', new_string: 'ONE' })
    const other = { new_memory: 'one\ntwo\nTHREE', base_version: version }
    const { block, receipt } = await edited(id, 'rethink', other)
    expect([block.value, receipt?.['merged']]).toEqual(['ONE\ntwo\nTHREE', true])
    const same = await post(id, 'rethink', { new_memory: '1\ntwo\nthree', base_version: version })
    expect(same).toMatchObject({
      status: 409,
      body: {
        code: 'rethink_conflict',
        hunks: [{ line: 1, base: 'one', mine: '1', theirs: 'ONE' }],
      },
    })
  })

  it('under an If-Match that holds counts as seen', async () => {
    const { id } = await policy('guard')
    await edited(id, 'insert', { new_string: 'theirs' })
    const stale = await post(id, 'rethink', { new_memory: 'x' }, { 'if-match': '"1"' })
    expect(stale).toMatchObject({ status: 412, body: { code: 'version_conflict' } })
    const held = await post(id, 'rethink', { new_memory: 'x' }, { 'if-match': '"2"' })
    expect(held).toMatchObject({ status: 200, body: { block: { value: 'x' } } })
  })

  it('follows a policy that is changed later, which the block shows', async () => {
    const { id } = await started()
    const patch = { policies: { rethink: 'guard' } }
    const { body } = await rest('PATCH', `/v1/blocks/${id}`, patch)
    const policies = { rethink: 'guard', replace: 'text', anchor_lost: 'end' }
    expect(body).toMatchObject({ version: 2, policies })
    expect(await post(id, 'rethink', { new_memory: 'x' })).toMatchObject({ status: 428 })
    const wrong = await rest('PATCH', `/v1/blocks/${id}`, { policies: { rethink: 'maybe' } })
    expect(wrong).toMatchObject({ status: 422, body: { code: 'invalid_argument' } })
  })
})

describe('undo and restore', () => {
  it('undo takes one insert of three back and keeps the others; the undo can be undone', async () => {
    const { id } = await started({ value: 'X' })
    for (const text of ['A', 'B', 'C']) await edited(id, 'insert', { new_string: text })
    const undone = await edited(id, 'undo', { version: 2 })
    expect(undone.block.value).toBe('X\nB\nC')
    expect(undone.receipt).toMatchObject({ reverted: { version: 2, type: 'TextInserted' } })
    expect((await edited(id, 'undo', { version: 5 })).block.value).toBe('X\nA\nB\nC')
  })

  it('undo of what was changed again is refused, and says by whom', async () => {
    const { id } = await started()
    await edited(id, 'insert', { new_string: 'mine' })
    await edited(id, 'replace', { old_string: 'mine', new_string: 'ours' })
    const refused = await post(id, 'undo', { version: 2 })
    expect(refused).toMatchObject({ status: 409, body: { code: 'revert_conflict', versions: [3] } })
    expect(await read(id)).toMatchObject({ version: 3 })
    expect(await post(id, 'undo', { version: 1 })).toMatchObject({
      status: 422,
      body: { code: 'not_revertible' },
    })
    expect(await post(id, 'undo', { version: 9 })).toMatchObject({ status: 422 })
  })

  it('restore goes back to a text as a new version, and history keeps everything', async () => {
    const { id } = await started()
    await edited(id, 'rethink', { new_memory: 'gone' })
    const back = await edited(id, 'restore', { version: 1, base_version: 2 })
    expect(back).toMatchObject({ version: 3, block: { value: 'one\ntwo\nthree' } })
    expect(back.receipt).toMatchObject({ overwrote: [], replaced_version: 2 })
    expect(await post(id, 'restore', { version: 9 })).toMatchObject({
      status: 422,
      body: { code: 'version_from_future', at_version: 3 },
    })
    const { body } = await rest<{ data: { type: string }[] }>('GET', `/v1/blocks/${id}/history`)
    expect(body.data.map(({ type }) => type)).toEqual([
      'BlockCreated',
      'BlockRethought',
      'BlockRestored',
    ])
  })
})

describe('a dry run', () => {
  it('shows what would be written, or the refusal, and writes nothing', async () => {
    const { id, version } = await started()
    const words = { old_string: 'two', new_string: 'TWO' }
    const tried = await post(id, 'replace?dry_run=true', words)
    expect(tried).toMatchObject({
      status: 200,
      body: {
        dry_run: true,
        version: 2,
        changed: true,
        receipt: { matched: 'exact', line: 2 },
        events: [{ stream_id: id, version: 2, type: 'TextReplaced' }],
      },
    })
    const refused = await post(id, 'replace?dry_run=true', { ...words, old_string: 'zz' })
    expect(refused).toMatchObject({ status: 409, body: { code: 'replace_no_match' } })
    const patch = await rest('PATCH', `/v1/blocks/${id}?dry_run=true`, { value: 'x' })
    expect(patch.body).toMatchObject({ dry_run: true, events: [{ type: 'BlockRethought' }] })
    const gone = await rest('DELETE', `/v1/blocks/${id}?dry_run=true`)
    expect(gone.body).toMatchObject({ dry_run: true, events: [{ type: 'BlockDeleted' }] })
    expect(await read(id)).toMatchObject({ version, value: 'one\ntwo\nthree' })
    expect(await post(id, 'insert?dry_run=maybe', { new_string: 'x' })).toMatchObject({
      status: 422,
      body: { code: 'invalid_query' },
    })
    expect(await post(id, 'insert?dry=true', { new_string: 'x' })).toMatchObject({
      body: { code: 'invalid_query' },
    })
  })

  it('under a key burns no key', async () => {
    const { id } = await started()
    const key = { 'idempotency-key': `dry-${id}` }
    await post(id, 'insert?dry_run=true', { new_string: 'x' }, key)
    const real = await post(id, 'insert', { new_string: 'x' }, key)
    expect(real).toMatchObject({ status: 200, body: { version: 2 } })
    expect(real.headers['idempotent-replayed']).toBeUndefined()
  })
})
