import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { openApi, type RunningApi } from '../../apps/api/api.js'
import { EventSource, type Message } from './event-source.js'
import { readStream } from './run-streams.js'
import { pick, type Seeded } from './seeded.js'
import { gate, openTurnStage, type TurnStage } from './turn-stage.js'

type Chunk = Record<string, unknown>

/** What readers were told that they should not have been, or not told that they should. */
export interface Missed {
  cuts: number
  gaps: number
  duplicates: number
}

const PACE_MS = 5
/** The model keeps everybody waiting until all are there. */
const WAIT_MS = 1_200_000
/** A reader that takes nothing for so long is cut. */
const PATIENCE_MS = 2_000
const AGAIN_MS = 1_000
/** More than sockets hold. */
const LONG = 6_000_000
const WORDS = 40

/** A stage with a second node. */
export async function openTwoNodes(): Promise<{
  stage: TurnStage
  urls: string[]
  close(): Promise<void>
}> {
  const stage = await openTurnStage({
    workers: 2,
    worker: { modelTimeoutsMs: { firstByte: WAIT_MS, total: WAIT_MS } },
    api: { drip: { afterMs: 100, everyMs: 5_000 }, runStreams: { patienceMs: PATIENCE_MS } },
  })
  const { config, databaseUrl, logged } = stage.product
  const log = (message: string, error?: unknown) => logged.push(`${message} ${error}`)
  const other: RunningApi = await openApi({ ...config, port: 0 }, databaseUrl, { log })
  return {
    stage,
    urls: [stage.product.url, other.url],
    async close() {
      await other.close()
      await stage.close()
    },
  }
}

/**
 * Streams turns by tokens and cuts each reader at random, to go on at a random node.
 *
 * @param goesOn how a reader says where it is.
 */
export async function cutAtRandom(
  stage: TurnStage,
  urls: readonly string[],
  cuts: number,
  random: Seeded,
  goesOn: (chunks: readonly Chunk[]) => object,
): Promise<Missed> {
  const missed: Missed = { cuts: 0, gaps: 0, duplicates: 0 }
  while (missed.cuts < cuts) {
    // One that has never said anything: a conversation that fills its window asks its model for a summary.
    const agent = await stage.agent([await stage.block('')])
    const text = Array.from({ length: WORDS }, (_, i) => `w${i}é[DONE]🙂`).join(' ')
    const call = { name: 'memory_insert', arguments: { label: 'notes', new_string: text } }
    stage.model.script([
      { reasoning: text, toolCalls: [call], paceMs: PACE_MS },
      { text, paceMs: PACE_MS },
    ])
    const path = `/v1/agents/${agent}/messages/async`
    const started = await stage.rest<{ id: string }>('POST', path, {
      input: 'go',
      stream_tokens: true,
    })
    const chunks: Chunk[] = []
    for (let whole = false; !whole; ) {
      const url = urls[pick(random, urls.length)] as string
      let left = 1 + pick(random, 6)
      const body = { include_pings: false, ...goesOn(chunks) }
      const reader = await readStream(url, 'POST', `/v1/runs/${started.body.id}/stream`, body, {
        onChunk: () => --left === 0 && missed.cuts < cuts,
      })
      whole = reader.raw.endsWith('data: [DONE]\n\n')
      if (!whole) missed.cuts += 1
      chunks.push(...reader.chunks)
      // Who never gets on would never come to an end.
      if (chunks.length > 20 * WORDS) break
    }
    judge(chunks, text, missed)
  }
  return missed
}

function judge(chunks: readonly Chunk[], text: string, missed: Missed): void {
  const said = (type: string, field: string) =>
    chunks
      .filter((c) => c.message_type === type)
      .map((c) => c[field])
      .join('')
  const calls = chunks.filter((c) => c.message_type === 'tool_call_message')
  const args = calls.map((c) => (c.tool_call as { arguments: string }).arguments).join('')
  const expected = JSON.stringify({ label: 'notes', new_string: text })
  const pairs: (readonly [string, string])[] = [
    [said('reasoning_message', 'reasoning'), text],
    [said('assistant_message', 'content'), text],
    [args, expected],
  ]
  for (const type of ['tool_return_message', 'stop_reason', 'usage_statistics']) {
    pairs.push(['x'.repeat(chunks.filter((c) => c.message_type === type).length), 'x'])
  }
  for (const [is, shouldBe] of pairs) {
    if (is.length > shouldBe.length) missed.duplicates += 1
    else if (is !== shouldBe) missed.gaps += 1
  }
}

/** What a reader that stopped reading was told last, and with what it goes on elsewhere. */
export async function readSlowly(
  stage: TurnStage,
  [url, other]: readonly string[],
): Promise<{ last: Message | undefined; seen: number; next: number | undefined }> {
  const agent = await stage.agent()
  stage.model.reset()
  stage.model.script([{ reasoning: 'r'.repeat(LONG), text: 't'.repeat(LONG) }])
  const runId = await stage.sendAsync(agent, 'go')
  await stage.ended(runId)
  const path = `/v1/runs/${runId}/stream`
  const slow = await EventSource.open(url as string, path)
  slow.response.pause()
  await sleep(3 * PATIENCE_MS)
  slow.response.resume()
  let last: Message | undefined
  for await (const message of slow.messages()) last = message
  const seen = Number(slow.lastId)
  const rest = await EventSource.open(other as string, path, { 'last-event-id': String(seen) })
  let next: number | undefined
  for await (const { id } of rest.messages()) next ??= id === null ? undefined : Number(id)
  return { last, seen, next }
}

export interface Waited {
  readonly clients: number
  readonly answered: number
  /** What some of the others were told. */
  readonly unanswered: readonly string[]
  /** Of Postgres, while all of them wait. */
  readonly connections: number
  /** From the end of the turns to the last client's answer. */
  readonly ms: number
}

/** Many clients that wait for few turns, as many on streams as on calls, until all of them end at once. */
export async function waitTogether(
  stage: TurnStage,
  url: string,
  clients: number,
  turns: number,
): Promise<Waited> {
  const end = gate()
  stage.model.reset()
  stage.model.routeBy(() => ({ text: 'at last', holdUntil: end.opened }))
  const agents = await Promise.all(Array.from({ length: 2 * turns }, () => stage.agent()))
  const answers: Promise<string>[] = []
  for (let i = 0; i < clients; i += 1) {
    const isStream = Math.floor(i / turns) % 2 === 0
    const agent = agents[(i % turns) + (isStream ? turns : 0)] as string
    const path = `/v1/agents/${agent}/messages${isStream ? '/stream' : ''}`
    const { waits, answered } = join(url, path, `key-${agent}-${path}`)
    answers.push(answered)
    if (i < 2 * turns || i % 100 === 0) await waits
  }
  await stage.model.requestsArrived(2 * turns)
  const { rows } = await stage.sql.query(
    'select count(*)::int as n from pg_stat_activity where datname = current_database()',
  )
  const ended = performance.now()
  end.open()
  const told = await Promise.all(answers)
  const unanswered = told.filter((text) => !(text.includes('at last') && text.includes('end_turn')))
  return {
    clients,
    answered: told.length - unanswered.length,
    unanswered: unanswered.slice(0, 3).map((text) => text.slice(0, 300)),
    connections: rows[0].n,
    ms: Math.round(performance.now() - ended),
  }
}

/** One client: `waits` once its answer has begun, `answered` what it was told at the end. */
function join(
  url: string,
  path: string,
  key: string,
): { waits: Promise<void>; answered: Promise<string> } {
  const begun = gate()
  const answered = new Promise<string>((resolve) => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key }
    const ask = (): void => {
      const options = { method: 'POST', headers, agent: false }
      const asked = request(`${url}${path}`, options, (response) => {
        let text = ''
        response.on('data', (bytes) => {
          text += bytes
        })
        response.on('error', (error) => resolve(String(error)))
        response.on('end', () => {
          // Too many came at once: whoever is told so comes again, as real clients do.
          if (response.headers['x-should-retry'] === 'true') return setTimeout(ask, AGAIN_MS)
          resolve(text)
        })
        if (response.statusCode === 200) begun.open()
      })
      asked.on('error', (error) => {
        begun.open()
        resolve(String(error))
      })
      asked.end(JSON.stringify({ input: 'go' }))
    }
    ask()
  })
  return { waits: begun.opened, answered }
}
