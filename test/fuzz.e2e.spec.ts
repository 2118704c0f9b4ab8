import { afterAll, beforeAll, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { type Product, startProduct } from './support/product.js'
import { type Answer, makeAgent, makeBlock, type Rest, restOf } from './support/rest.js'

const REQUESTS = 500
const AT_ONCE = 10

let product: Product
let rest: Rest
let blockId: string
let agentId: string

beforeAll(async () => {
  product = await startProduct({ workers: 0 })
  rest = restOf(product.port)
  blockId = (await makeBlock(rest, { value: 'one\ntwo', limit: 200 })).id
  agentId = (await makeAgent(rest, [blockId])).id
})

afterAll(async () => {
  await product.close()
})

const text = fc.oneof(
  fc.constantFrom('', 'one', 'o', '\n', '\0', '\ud800', '1→ x', '$&', '\u{1f600}', 'a'.repeat(300)),
  fc.string({ unit: 'binary', maxLength: 20 }),
)
const anything = fc.oneof(
  text,
  fc.constantFrom<unknown>(null, true, -1, 0, 1.5, 2 ** 53, 1e300, [], {}, [[]], { a: null }),
  fc.jsonValue({ maxDepth: 2 }),
)
/** Mostly what the schema asks for, and now and then anything. */
const mostly = (good: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 5, arbitrary: good }, { weight: 1, arbitrary: anything })
const number = fc.oneof(fc.integer({ min: -3, max: 5 }), fc.integer())
const version = { base_version: mostly(number) }
const settings = {
  label: mostly(fc.oneof(fc.constantFrom('a', 'notes', '<b>'), text)),
  limit: mostly(fc.integer({ min: 1, max: 2_147_483_647 })),
  description: mostly(text),
  read_only: mostly(fc.boolean()),
  tags: mostly(fc.array(text, { maxLength: 3 })),
  metadata: mostly(fc.dictionary(text, anything, { maxKeys: 3 })),
  hidden: mostly(fc.boolean()),
  is_template: mostly(fc.boolean()),
  project_id: mostly(text),
  name: mostly(text),
}
const tool = fc.constantFrom(
  'memory_insert',
  'memory_replace',
  'memory_rethink',
  'core_memory_append',
)
const edits = {
  insert: { new_string: mostly(text), insert_line: mostly(number), ...version },
  replace: {
    old_string: mostly(text),
    new_string: mostly(text),
    all: mostly(fc.boolean()),
    ...version,
  },
  rethink: { new_memory: mostly(text), ...version },
}
const args = fc.record(
  {
    ...edits.insert,
    ...edits.replace,
    ...edits.rethink,
    content: mostly(text),
    label: mostly(fc.constant('notes')),
  },
  { requiredKeys: ['label', 'new_string', 'old_string', 'new_memory', 'content'] },
)

type Shape = Record<string, fc.Arbitrary<unknown>>

/** An object of some of the fields and now and then one more, or now and then no object at all. */
function body(fields: Shape): fc.Arbitrary<unknown> {
  const unknown = fc.dictionary(fc.string({ maxLength: 5 }), anything, { maxKeys: 1 })
  const object = fc
    .tuple(fc.record(fields, { requiredKeys: [] }), fc.option(unknown, { freq: 8 }))
    .map(([known, more]) => ({ ...known, ...more }))
  return mostly(object)
}

const request = fc.oneof(
  fc.tuple(fc.constant('POST'), fc.constant('/v1/blocks/'), body({ ...settings, value: text })),
  fc.tuple(
    fc.constant('PATCH'),
    fc.constant('BLOCK'),
    body({ ...settings, value: text, ...version }),
  ),
  ...Object.entries(edits).map(([word, fields]) =>
    fc.tuple(fc.constant('POST'), fc.constant(`BLOCK/${word}`), body(fields)),
  ),
  fc.tuple(
    fc.constant('POST'),
    tool.map((name) => `AGENT/tools/${name}/run`),
    fc.record({ args: mostly(args) }),
  ),
)

function faults({ status, headers, faults: problem }: Answer): string[] {
  if (status >= 500) return [`status ${status}`]
  if (status >= 400) return problem()
  const json = headers['content-type']?.startsWith('application/json')
  return status === 200 && json ? [] : [`status ${status}, ${headers['content-type']}`]
}

it(`of ${REQUESTS} mutated bodies on the routes of blocks none is a fault of ours, and every refusal has the one shape`, async () => {
  const statuses = new Map<number, number>()
  const ask = async ([method, path, content]: [string, string, unknown]): Promise<string[]> => {
    const target = path
      .replace('BLOCK', `/v1/blocks/${blockId}`)
      .replace('AGENT', `/v1/agents/${agentId}`)
    const answer = await rest(method, target, content)
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
    return faults(answer).map((fault) => `${method} ${target}: ${fault}: ${answer.text}`)
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { minLength: AT_ONCE, maxLength: AT_ONCE }),
      async (requests) => {
        const found = await Promise.all(requests.map(ask))
        expect(found.flat()).toEqual([])
      },
    ),
    { numRuns: REQUESTS / AT_ONCE, endOnFailure: true },
  )
  // Both sides of the fence were reached, or the requests prove nothing.
  expect(statuses.get(200)).toBeGreaterThan(REQUESTS / 20)
  expect(statuses.get(422)).toBeGreaterThan(REQUESTS / 20)
  expect(product.logged).toEqual([])
}, 60_000)
