import type { Pool } from 'pg'
import { streamKind } from '#domain/event.js'
import { decoded, type StoredEvent } from './event-row.js'
import type { ImportFold } from './import-fold.js'
import { ImportRefusal, type ImportRefusalReason } from './import-refusal.js'

/** Events compared with the database at once. */
const WINDOW = 1_000
const GENESIS = '\0'.repeat(32)
const INT_MAX = 2_147_483_647
const SCHEMA = 1

interface Head {
  version: number
  hash: string
}

/**
 * Holds an export against the database before anything is written: which of its events are there, and
 * whether every other one follows from what is there or from an earlier one, and can be folded and stored.
 */
export class ImportSurvey {
  /** Events that are in the database. */
  present = 0
  /** Events that are not. */
  fresh = 0
  /** The first thing that forbids the import. */
  refusal: ImportRefusal | null = null
  readonly #stored = new Map<string, number>()
  readonly #heads = new Map<string, Head>()
  readonly #boxes = new Set<string>()
  #window: StoredEvent[] = []

  constructor(
    private readonly pool: Pool,
    private readonly tenantId: string,
    /** Only to see that every event can be folded: what it would write is dropped. */
    private readonly fold: ImportFold,
  ) {}

  get streams(): number {
    return this.#heads.size
  }

  async add(event: StoredEvent): Promise<void> {
    if (this.refusal) return
    this.#window.push(event)
    if (this.#window.length >= WINDOW) await this.end()
  }

  /** Compares what was added last. */
  async end(): Promise<void> {
    const events = this.#window
    this.#window = []
    if (this.refusal || events.length === 0) return
    try {
      await this.#readHeads(events)
      await this.#compare(events.filter((event) => this.isPresent(event)))
      const fresh = events.filter((event) => !this.isPresent(event))
      for (const event of fresh) this.#follow(event)
      await this.#tryFold(fresh)
      this.present += events.length - fresh.length
      this.fresh += fresh.length
    } catch (error) {
      if (!(error instanceof ImportRefusal)) throw error
      this.refusal = error
    }
  }

  /** For an event that was added. */
  isPresent({ streamId, version }: StoredEvent): boolean {
    return version <= (this.#stored.get(decoded(streamId)) ?? 0)
  }

  async #readHeads(events: readonly StoredEvent[]): Promise<void> {
    const ids = new Set(events.map(({ streamId }) => decoded(streamId)))
    const unknown = [...ids].filter((id) => !this.#heads.has(id))
    const { rows } = await this.pool.query<{ stream_id: string; version: number; hash: Buffer }>(
      'select stream_id, version, hash from streams where tenant_id = $1 and stream_id = any($2)',
      [this.tenantId, unknown],
    )
    for (const id of unknown) this.#heads.set(id, { version: 0, hash: GENESIS })
    for (const { stream_id, version, hash } of rows) {
      this.#stored.set(stream_id, version)
      this.#heads.set(stream_id, { version, hash: hash.toString('latin1') })
    }
  }

  async #compare(present: readonly StoredEvent[]): Promise<void> {
    if (present.length === 0) return
    const { rows } = await this.pool.query<{ hash: Buffer | null }>(
      `select e.hash from unnest($2::text[], $3::int[]) with ordinality k(stream_id, version, n)
         left join events e on e.tenant_id = $1 and e.stream_id = k.stream_id and e.version = k.version
        order by k.n`,
      [this.tenantId, present.map((e) => decoded(e.streamId)), present.map((e) => e.version)],
    )
    present.forEach((event, i) => {
      if (rows[i]?.hash?.toString('latin1') === event.hash) return
      throw conflict(decoded(event.streamId), event.version)
    })
  }

  #follow(event: StoredEvent): void {
    const { version, prevHash, hash } = event
    const streamId = decoded(event.streamId)
    const head = this.#heads.get(streamId) as Head
    if (version !== head.version + 1) {
      const at = head.version === 0 ? 'is not in the database' : `is there up to ${head.version}`
      throw refused('gap', `${streamId} ${at}, and goes on here with version ${version}`)
    }
    if (prevHash !== head.hash) throw conflict(streamId, head.version)
    const fault = storageFault(event)
    if (fault) throw refused('unreadable', `version ${version} of ${streamId} ${fault}`)
    head.version = version
    head.hash = hash
  }

  async #tryFold(events: readonly StoredEvent[]): Promise<void> {
    const { plan } = await this.fold.batch(events)
    for (const [id, box] of plan.mailboxes) if (box.open) this.#boxes.add(id)
    const agents = [...plan.mailboxes.keys()].filter((id) => !this.#boxes.has(id))
    await this.#findMailboxes(agents)
  }

  /** A turn has its number from its agent's mailbox. */
  async #findMailboxes(agents: readonly string[]): Promise<void> {
    if (agents.length === 0) return
    const { rows } = await this.pool.query<{ agent_id: string }>(
      'select agent_id from mailboxes where tenant_id = $1 and agent_id = any($2)',
      [this.tenantId, agents],
    )
    for (const { agent_id } of rows) this.#boxes.add(agent_id)
    const missing = agents.find((id) => !this.#boxes.has(id))
    if (missing === undefined) return
    throw refused('gap', `a turn of ${missing} is here, but that agent is not in the database`)
  }
}

/** What the hash covers, and the database would not give back as it was. */
function storageFault(event: StoredEvent): string | null {
  const { commandId, recordedAt, schema, version, baseVersion } = event
  const streamId = decoded(event.streamId)
  const texts = [streamId, commandId, event.payload ?? '', event.actor, event.correlation ?? '']
  if (texts.some((text) => text.includes('\0'))) {
    return 'holds characters that cannot be stored'
  }
  if (!isStreamId(streamId)) return 'is on no kind of stream'
  if (schema !== SCHEMA) return `has the schema ${schema}: a newer version wrote it`
  if (version > INT_MAX || Math.abs(baseVersion ?? 0) > INT_MAX) return 'is beyond every version'
  const time = new Date(recordedAt)
  const exact = !Number.isNaN(time.getTime()) && time.toISOString() === recordedAt
  return exact ? null : 'has a time that is none we wrote'
}

function isStreamId(streamId: string): boolean {
  try {
    return streamKind(streamId) !== undefined
  } catch {
    return false
  }
}

function conflict(streamId: string, version: number): ImportRefusal {
  return refused('conflict', `version ${version} of ${streamId} is another one in the database`)
}

function refused(reason: ImportRefusalReason, detail: string): ImportRefusal {
  return new ImportRefusal(reason, `Nothing was imported: ${detail}.`)
}
