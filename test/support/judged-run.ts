import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChangeAgent, ChangeAgentHandler } from '#commands/change-agent.js'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import type { Log, Operation } from '../judge/record.mjs'
import { ApiProcess } from './api-process.js'
import { JudgedLoad } from './judged-load.js'
import { judgedLog, positionNow } from './judged-log.js'
import { by, openLog, type TestLog } from './log.js'
import { pick, type Seeded } from './seeded.js'

export interface JudgedRun {
  readonly history: readonly Operation[]
  readonly log: Log
  readonly kills: number
  /** Milliseconds that the load took. */
  readonly tookMs: number
}

export interface JudgedRunOptions {
  readonly random: Seeded
  readonly operations: number
  readonly kills: number
}

const APIS = 2
const CLIENTS = 24
const BLOCKS = 6
const AGENTS = 3
const LIMIT = 3_000
const POLICIES = ['overwrite', 'preserve', 'guard', 'merge'] as const

/**
 * Clients over HTTP of several api processes on one database, some of which are killed and started again:
 * what they were told, and the log that is left.
 */
export async function judgedRun({
  random,
  operations,
  kills,
}: JudgedRunOptions): Promise<JudgedRun> {
  const log = await openLog()
  const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-judge-'))
  const apis = Array.from({ length: APIS }, () => new ApiProcess(log.url, dataDir))
  try {
    const there = await setUp(log)
    await Promise.all(apis.map((api) => api.start()))
    const since = await positionNow(log.reads)
    const load = new JudgedLoad({ random, apis, ...there, clients: CLIENTS, operations })
    const consumer = new Consumer(apis, random, since)
    const begun = performance.now()
    const killing = killAll(apis, random, kills, () => load.history.length, operations)
    const consuming = consumer.run()
    await load.run()
    const tookMs = performance.now() - begun
    await killing
    consumer.stop()
    await consuming
    const judged = await judgedLog(log.reads, since, [consumer.given])
    return {
      history: load.history,
      log: judged,
      kills: apis.reduce((n, api) => n + api.kills, 0),
      tookMs,
    }
  } finally {
    await Promise.all(apis.map((api) => api.stop()))
    await log.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function setUp(log: TestLog): Promise<{ blocks: string[]; agents: string[] }> {
  const writer = log.openWriter()
  const blocks = Array.from({ length: BLOCKS }, () => `block-${randomUUID()}`)
  for (const [i, id] of blocks.entries()) {
    const policies = { rethink: POLICIES[i % POLICIES.length] } as const
    const settings = { label: `notes ${i}`, limit: LIMIT, policies } as const
    const change = { type: 'CreateBlock', value: 'alpha\nbeta', settings } as const
    must(await new ChangeBlockHandler(writer).execute(new ChangeBlock(id, change, by)))
  }
  const agents = Array.from({ length: AGENTS }, () => `agent-${randomUUID()}`)
  for (const id of agents) {
    const settings = { name: id, system: '', model: 'openai/gpt-4o-mini' }
    const change = {
      type: 'CreateAgent',
      settings,
      tools: [],
      blockIds: [],
      newBlocks: [],
    } as const
    must(await new ChangeAgentHandler(writer).execute(new ChangeAgent(id, change, by)))
  }
  await writer.close()
  return { blocks, agents }
}

function must(outcome: { readonly ok: boolean }): void {
  if (!outcome.ok) throw new Error(JSON.stringify(outcome))
}

/** Spread over the load by how far it has come. */
async function killAll(
  apis: readonly ApiProcess[],
  random: Seeded,
  kills: number,
  asked: () => number,
  operations: number,
): Promise<void> {
  for (let kill = 1; kill <= kills; kill++) {
    const due = (operations * kill) / (kills + 1)
    while (asked() < due) await new Promise((resolve) => setTimeout(resolve, 5))
    await (apis[pick(random, apis.length)] as ApiProcess).restart()
  }
}

/** Reads the feed page by page, of whichever api is up. */
class Consumer {
  readonly given: { stream: string; version: number }[] = []
  #stopped = false
  #cursor: string | null = null

  constructor(
    private readonly apis: readonly ApiProcess[],
    private readonly random: Seeded,
    private readonly since: number,
  ) {}

  stop(): void {
    this.#stopped = true
  }

  /** Ends with the first page that is empty after the load's end. */
  async run(): Promise<void> {
    for (;;) {
      const last = this.#stopped
      const api = this.apis[pick(this.random, this.apis.length)] as ApiProcess
      const after = this.#cursor === null ? '' : `?after=${encodeURIComponent(this.#cursor)}`
      const reply = await api.send('GET', `/v1/events${after}`)
      if (reply?.status !== 200) continue
      const page = reply.body as { data: Event[]; next_cursor: string }
      this.#cursor = page.next_cursor
      for (const { position, stream_id, version } of page.data) {
        if (position > this.since) this.given.push({ stream: stream_id, version })
      }
      if (last && page.data.length === 0) return
      if (page.data.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

interface Event {
  readonly position: number
  readonly stream_id: string
  readonly version: number
}
