import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { readConfig } from '#adapters/config.js'
import { encodeCursor } from '#event-store/cursor.js'
import { openApi, type RunningApi } from '../apps/api/api.js'
import { newClient } from './support/clients.js'
import { EventSource, type Message } from './support/event-source.js'
import { type Product, startProduct } from './support/product.js'
import { makeAgent, makeBlock, type Rest, restOf, type WireBlock } from './support/rest.js'

interface Entry {
  readonly cursor: string
  readonly position: number
  readonly stream_id: string
  readonly version: number
  readonly type: string
  readonly actor: { readonly kind: string; readonly id: string }
  readonly run_id: string | null
  readonly payload: { readonly agent_id?: string } | null
  readonly at: string
  readonly hash: string
}
interface Page {
  readonly object: string
  readonly data: readonly Entry[]
  readonly has_more: boolean
  readonly next_cursor: string
}

let product: Product
let rest: Rest

beforeAll(async () => {
  product = await startProduct()
  rest = restOf(product.port)
})

afterAll(async () => {
  await product.close()
  expect(product.logged).toEqual([])
})

async function page(query = ''): Promise<Page> {
  const { status, body, text } = await rest<Page>('GET', `/v1/events${query}`)
  if (status !== 200) throw new Error(text)
  return body
}

/** Entries after a cursor, once there are so many: a transaction of another spec may hold up the fence. */
async function pageOf(after: string, count: number): Promise<Page> {
  for (;;) {
    const found = await page(`?after=${after}`)
    if (found.data.length >= count) return found
  }
}

/** The cursor of the newest event, which everything before has come before. */
async function now(): Promise<string> {
  const { next_cursor: after } = await page('?after=now')
  const marker = await makeBlock(rest)
  for (;;) {
    const { data, next_cursor } = await page(`?after=${after}&limit=1000`)
    if (data.at(-1)?.stream_id === marker.id) return next_cursor
  }
}

/** Every entry after a cursor, page by page. */
async function all(filter = '', limit = 100, after = ''): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let cursor = after, more = true; more; ) {
    const from = cursor === '' ? '' : `&after=${cursor}`
    const { data, has_more, next_cursor } = await page(`?limit=${limit}${from}${filter}`)
    entries.push(...data)
    cursor = next_cursor
    more = has_more
  }
  return entries
}

async function edit(block: WireBlock, text: string): Promise<void> {
  await rest('POST', `/v1/blocks/${block.id}/insert`, { new_string: text })
}

const place = ({ stream_id, version }: Pick<Entry, 'stream_id' | 'version'>) =>
  `${stream_id}/${version}`
const entryOf = (message: Message) => message.data as unknown as Entry

describe('GET /v1/events', () => {
  it('holds what was just committed, in the order of the log, with who did it and in what', async () => {
    const after = await now()
    const block = await makeBlock(rest, { value: 'a' })
    await edit(block, 'b')
    const { object, data, has_more, next_cursor } = await pageOf(after, 2)
    expect({ object, has_more }).toEqual({ object: 'list', has_more: false })
    expect(data).toMatchObject([
      { stream_id: block.id, version: 1, type: 'BlockCreated', base_version: null, run_id: null },
      {
        stream_id: block.id,
        version: 2,
        type: 'TextInserted',
        actor: { kind: 'user', id: 'local' },
      },
    ])
    const [first, second] = data as [Entry, Entry]
    expect(second.position).toBeGreaterThan(first.position)
    expect(first.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(new Date(first.at).toISOString()).toBe(first.at)
    expect((await page(`?after=${first.cursor}`)).data).toEqual([second])
    expect(await page(`?after=${next_cursor}`)).toMatchObject({ data: [], next_cursor })
  })

  it('is visited whole whatever the length of its pages, and by stream, type and agent', async () => {
    const client = newClient(product.url)
    const block = await makeBlock(rest, { value: 'a' })
    const agent = await makeAgent(rest, [block.id])
    await client.send(agent.id, 'Remember: tea at five')
    for (const text of ['b', 'c', 'd']) await edit(block, text)
    await now()
    const whole = await all('', 1_000)
    expect(await all('', 7)).toEqual(whole)
    const positions = whole.map(({ position }) => position)
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b))
    const ofBlock = whole.filter(({ stream_id }) => stream_id === block.id)
    expect(await all(`&block=${block.id}`, 2)).toEqual(ofBlock)
    const inserted = whole.filter(({ type }) => type === 'TextInserted' || type === 'BlockCreated')
    expect(await all('&types=TextInserted,BlockCreated', 2)).toEqual(inserted)
    expect(await all('&types=TextInserted&types=BlockCreated', 3)).toEqual(inserted)
    const ofAgent = await all(`&agent=${agent.id}`, 3)
    const types = ofAgent.map(({ type }) => type)
    expect(types).toEqual(expect.arrayContaining(['AgentCreated', 'TurnQueued', 'TurnCompleted']))
    const runs = whole
      .filter(({ type, payload }) => type === 'TurnQueued' && payload?.agent_id === agent.id)
      .map(({ stream_id }) => stream_id)
    const concerns = ({ stream_id, actor }: Entry): boolean =>
      [agent.id, ...runs].includes(stream_id) || actor.id === agent.id
    expect(ofAgent).toEqual(whole.filter(concerns))
    expect(runs).toHaveLength(1)
    expect(await all(`&agent=${agent.id}&block=${block.id}&types=BlockDeleted`)).toEqual([])
  })

  it.each([
    ['garbage', 'after=x'],
    ["another tenant's cursor", `after=${encodeCursor('other', 1)}`],
    ['a cursor beyond the log', `after=${encodeCursor('default', 1e12)}`],
    ['a cursor with a byte more', `after=${encodeCursor('default', 1)}A`],
    ['a negative position', `after=${encodeCursor('default', -1)}`],
  ])('refuses %s', async (_, query) => {
    for (const path of ['/v1/events', '/v1/events/stream']) {
      const answer = await rest('GET', `${path}?${query}`)
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } })
      expect(answer.faults()).toEqual([])
    }
  })

  it.each(['limit=0', 'limit=1001', 'types=Typo', 'types=', 'agent=x', 'block=x', 'order=desc'])(
    'refuses %s',
    async (query) => {
      const answer = await rest('GET', `/v1/events?${query}`)
      expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_query' } })
    },
  )

  it('never passes an event that is still being written, and says who is in the way', async () => {
    const writer = new pg.Client({ connectionString: product.databaseUrl })
    await writer.connect()
    const block = await makeBlock(rest, { value: 'a' })
    const after = await now()
    try {
      await writer.query('begin')
      await writer.query('lock table events in row exclusive mode')
      await writer.query("select pg_current_xact_id(), nextval('events_position')")
      await edit(block, 'b')
      expect((await page(`?after=${after}`)).data).toEqual([])
      const { rows } = await writer.query('select pg_backend_pid() as pid')
      let ready: Record<string, unknown>
      do ready = (await rest('GET', '/health/ready')).body
      while (ready.feed_blocked_by_pid !== rows[0].pid)
      expect(ready.feed_lag_ms).toBeGreaterThan(0)
    } finally {
      await writer.end()
    }
    expect((await pageOf(after, 1)).data).toMatchObject([{ stream_id: block.id, version: 2 }])
  })
})

describe('GET /v1/events/stream', () => {
  it('is a stream of events with the headers of every answer', async () => {
    const source = await EventSource.open(product.url, '/v1/events/stream?after=now', {
      'x-request-id': 'mine',
    })
    const { statusCode, headers } = source.response
    expect(statusCode).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-request-id': 'mine',
      'x-palimpsest-simulated': 'model,search',
    })
    source.cut()
    const head = await fetch(`${product.url}/v1/events/stream`, { method: 'HEAD' })
    expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  })

  it('cut at random events and resumed, it shows every event once, in order', async () => {
    const blocks = await Promise.all([1, 2, 3].map(() => makeBlock(rest)))
    const after = await now()
    const writing = Promise.all(
      Array.from({ length: 240 }, (_, i) => edit(blocks[i % 3] as WireBlock, `${i}`)),
    )
    const seen: Entry[] = []
    let last: string | null = null
    let cuts = 0
    while (seen.length < 240) {
      const source = await EventSource.open(
        product.url,
        `/v1/events/stream?after=${after}`,
        last ? { 'last-event-id': last } : {},
      )
      for await (const message of source.messages()) {
        if (message.data) seen.push(entryOf(message))
        if (seen.length === 240) break
        if (message.data && Math.random() < 0.05) {
          cuts += 1
          break
        }
      }
      source.cut()
      last = source.lastId
    }
    await writing
    const whole = await all('', 100, after)
    expect(seen.map(place)).toEqual(whole.map(place))
    expect(seen).toEqual(whole)
    expect(cuts).toBeGreaterThan(0)
  })

  it('shows what other processes commit: the turns of an agent, as they go', async () => {
    const client = newClient(product.url)
    const block = await makeBlock(rest)
    const agent = await makeAgent(rest, [block.id])
    const source = await EventSource.open(
      product.url,
      `/v1/events/stream?after=${await now()}&agent=${agent.id}`,
    )
    const types: string[] = []
    const reading = (async () => {
      for await (const { data } of source.messages()) {
        if (data) types.push(String(data.type))
        if (data?.type === 'TurnCompleted') return
      }
    })()
    await client.send(agent.id, 'Hello')
    await reading
    source.cut()
    expect(types[0]).toBe('TurnQueued')
    expect(types.at(-1)).toBe('TurnCompleted')
  })
})

describe('an api with small limits', () => {
  let api: RunningApi
  let own: Rest

  beforeAll(async () => {
    const config = readConfig({
      DATABASE_URL: product.databaseUrl,
      PORT: '0',
      PALIMPSEST_SIMULATED: 'always',
      PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
    })
    api = await openApi(config, product.databaseUrl, {
      log: (message, error) => product.logged.push(`${message} ${error}`),
      eventStreams: { heartbeatMs: 200, bufferMax: 10 },
    })
    own = restOf(api.port)
  })

  it('says that it is there while nothing happens, with where to resume from', async () => {
    const after = await now()
    const source = await EventSource.open(api.url, `/v1/events/stream?after=${after}`)
    const beats: Message[] = []
    for await (const message of source.messages()) {
      beats.push(message)
      if (message.comment) break
    }
    source.cut()
    expect(beats.every(({ data }) => data === null)).toBe(true)
    expect(source.lastId).toBe(after)
  })

  it('closes a reader that takes nothing, which resumes from the log and misses nothing', async () => {
    const long = 'x'.repeat(90_000)
    const block = await makeBlock(own, { value: '' })
    const after = await now()
    const source = await EventSource.open(api.url, `/v1/events/stream?after=${after}`)
    source.response.pause()
    // Far more than what two sockets hold.
    for (let i = 0; i < 150; i++) {
      await own('POST', `/v1/blocks/${block.id}/rethink`, { new_memory: `${i} ${long}` })
    }
    const versions: number[] = []
    let lagged: Message | null = null
    for await (const message of source.messages()) {
      if (message.event === 'lagged') lagged = message
      else if (message.data) versions.push(entryOf(message).version)
    }
    expect(lagged?.data).toEqual({ cursor: source.lastId })
    expect(versions.length).toBeLessThan(150)
    // On a busy machine it may be too slow once more.
    for (let lastId = source.lastId; versions.length < 150; ) {
      const resumed = await EventSource.open(api.url, '/v1/events/stream', {
        'last-event-id': lastId as string,
      })
      for await (const { event, data } of resumed.messages()) {
        if (event !== 'lagged' && data) versions.push((data as unknown as Entry).version)
        if (versions.length === 150) break
      }
      lastId = resumed.lastId
      resumed.cut()
    }
    expect(versions).toEqual(Array.from({ length: 150 }, (_, i) => i + 2))
  })

  it('ends its streams when it closes', async () => {
    const source = await EventSource.open(api.url, '/v1/events/stream?after=now')
    const ended = (async () => {
      for await (const _ of source.messages());
    })()
    await api.close()
    await ended
    expect(source.response.complete).toBe(true)
  })
})
