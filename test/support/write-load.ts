import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { createBlock, decideBlock } from '#domain/block.js'
import type { Append } from '#domain/streams.js'
import type { Decision, States, Unit, Verdict } from '#event-store/unit.js'
import { until } from './feed-load.js'
import type { Ledger, Versions, Work } from './ledger.js'
import { actor, tenantId } from './log.js'
import { pick, type Seeded } from './seeded.js'
import type { WriterHost } from './writer-host.js'

export interface LoadOptions {
  readonly random: Seeded
  readonly clients: number
  readonly habit: Habit
  /** Share of the units with an id that are sent to two writers at once. */
  readonly impatience?: number
}

/**
 * How clients name their units: under ids, under none, or half and half. One without an id does not
 * try again after an unknown outcome, but for the naive one, which does.
 */
export type Habit = 'ids' | 'no ids' | 'mixed' | 'naive'

/** Where clients find a writer. */
export interface Hosts {
  /** One that runs; resolves when there is one again. It may not reach the database. */
  pick(): Promise<WriterHost>
  /** Resolves when the database is there again. */
  back(): Promise<void>
}

const HOT_BLOCKS = 3
const SPREAD_BLOCKS = 48
const HOT_SHARE = 0.5
const CREATION_SHARE = 0.1
const SEVERAL_SHARE = 0.2
const LIMIT = 10_000_000
/** What a client may meet when the database is away: everything else is a fault of the writer. */
const UNAVAILABLE = ['not_ready', 'busy']

/**
 * Clients that each send one unit after another: into few blocks everybody writes to, into many, into
 * several at once, and new ones. Every unit inserts a text of its own, so that the log can be compared
 * with the ledger.
 */
export class WriteLoad {
  readonly #blocks: string[] = []
  #stopped = false
  #givenUp = false
  #count = 0
  #clients: Promise<unknown> = Promise.resolve()

  constructor(
    readonly ledger: Ledger,
    private readonly hosts: Hosts,
    private readonly options: LoadOptions,
  ) {}

  async start(): Promise<void> {
    const host = await this.hosts.pick()
    for (let i = 0; i < HOT_BLOCKS + SPREAD_BLOCKS; i++) this.#blocks.push(newBlockId())
    const empty = this.#blocks.map((id) => creation({ text: '', streams: [id], commandId: null }))
    const verdicts = await Promise.all(empty.map((unit) => host.submit(unit)))
    if (verdicts.some((verdict) => verdict?.status !== 'ok')) throw new Error('no block was made')
    this.#clients = Promise.all(Array.from({ length: this.options.clients }, () => this.#client()))
    // Whoever waits next hears of it.
    this.#clients.catch(() => {})
  }

  /** Resolves once so many more units are acknowledged; rejects when a client met a fault. */
  async more(units: number): Promise<void> {
    const due = this.ledger.acknowledged + units
    await this.until(() => this.ledger.acknowledged >= due)
  }

  async until(condition: () => boolean): Promise<void> {
    let failed = false
    await Promise.race([
      this.#clients.catch((error) => {
        failed = true
        throw error
      }),
      until(() => failed || condition()),
    ])
  }

  /** Clients try nothing again any more. */
  giveUp(): void {
    this.#stopped = true
    this.#givenUp = true
  }

  /** Lets every client end the unit it is at. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#clients
  }

  async #client(): Promise<void> {
    while (!this.#stopped) await this.#perform(this.#next())
  }

  #next(): Work {
    const { random, habit } = this.options
    const kind = random()
    const text = `${random.seed}/${this.#count++}`
    const named = habit === 'ids' || (habit === 'mixed' && random() < 0.5)
    const commandId = named ? `torture/${text}` : null
    // A block that exists already would tell even a naive client.
    if (kind < CREATION_SHARE && habit !== 'naive')
      return { text, commandId, streams: [newBlockId()] }
    const several = kind < CREATION_SHARE + SEVERAL_SHARE ? 2 + pick(random, 2) : 1
    const streams = new Set(Array.from({ length: several }, () => this.#block()))
    return { text, commandId, streams: [...streams] }
  }

  #block(): string {
    const { random } = this.options
    const hot = random() < HOT_SHARE
    const place = hot ? pick(random, HOT_BLOCKS) : HOT_BLOCKS + pick(random, SPREAD_BLOCKS)
    return this.#blocks[place] as string
  }

  async #perform(work: Work): Promise<void> {
    const { ledger } = this
    ledger.ask(work)
    for (let sent = 0; ; sent++) {
      if (sent > 0) ledger.retried += 1
      const versions = await this.#send(work)
      if (versions) return ledger.acknowledge(work, versions)
      if (this.#givenUp) break
      await this.hosts.back()
      if (work.commandId === null && this.options.habit !== 'naive') break
    }
    ledger.unknown += 1
  }

  /** @returns null when the outcome is unknown. */
  async #send(work: Work): Promise<Versions | null> {
    const { random, impatience = 0 } = this.options
    const twice = work.commandId !== null && random() < impatience
    const answers = Array.from({ length: twice ? 2 : 1 }, async () => {
      const host = await this.hosts.pick()
      return this.#givenUp ? null : this.#answer(work, await host.submit(this.unit(work)))
    })
    const [one, other] = await Promise.all(answers)
    if (one && other && !isDeepStrictEqual(one, other)) {
      throw new Error(`${work.text} was answered twice, with ${JSON.stringify([one, other])}`)
    }
    return one ?? null
  }

  #answer(work: Work, verdict: Verdict<Versions> | null): Versions | null {
    if (verdict?.status === 'ok') return verdict.result
    if (verdict === null) return null
    if (verdict.status === 'fenced') throw new Error('a unit without a fence was fenced')
    if (UNAVAILABLE.includes(verdict.rejection.code)) return null
    throw new Error(`${work.text} was refused: ${JSON.stringify(verdict.rejection)}`)
  }

  /** Made anew for each attempt, as by a client that only has its own request. */
  unit(work: Work): Unit<Versions> {
    return this.#blocks.includes(work.streams[0] as string) ? insertions(work) : creation(work)
  }
}

function newBlockId(): string {
  return `block-${randomUUID()}`
}

/** Its result: the version of each stream's event. */
function unitOf(work: Work, decide: (states: States) => Decision<Versions>): Unit<Versions> {
  const { text, commandId, streams } = work
  const command = commandId ? { id: commandId, fingerprint: Buffer.from(text) } : null
  return { tenantId, streams, actor, ...(command ? { command } : {}), decide }
}

function creation(work: Work): Unit<Versions> {
  const streamId = work.streams[0] as string
  return unitOf(work, (states) => {
    const settings = { label: 'notes', limit: LIMIT }
    const decided = createBlock(states.block(streamId), work.text, settings)
    if (!decided.ok) return { rejection: decided.rejection }
    const appends = decided.value.events.map((event) => ({ streamId, event }))
    return { appends, result: { [streamId]: 1 } }
  })
}

function insertions(work: Work): Unit<Versions> {
  const command = {
    type: 'InsertText',
    text: work.text,
    place: { at: 'end' },
    numbered: true,
  } as const
  return unitOf(work, (states) => {
    const appends: Append[] = []
    const versions: Record<string, number> = {}
    for (const streamId of work.streams) {
      const block = states.block(streamId)
      const decided = decideBlock(block, command, { actor, baseVersion: null })
      if (!decided.ok) return { rejection: decided.rejection }
      appends.push(...decided.value.events.map((event) => ({ streamId, event })))
      versions[streamId] = block.version + 1
    }
    return { appends, result: versions }
  })
}
