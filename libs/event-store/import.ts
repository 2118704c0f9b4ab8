import type { Pool } from 'pg'
import type { PublicKeys } from './checkpoint.js'
import type { StoredEvent } from './event-row.js'
import { type ExportVerification, verifyExport } from './export-check.js'
import { commitBatch, releaseMailboxes } from './import-commit.js'
import { ImportFold } from './import-fold.js'
import { ImportRefusal } from './import-refusal.js'
import { ImportSurvey } from './import-survey.js'
import { Snapshots } from './snapshots.js'
import type { Project } from './unit.js'

export interface ImportOptions {
  /** Of the export: the tenant's name is part of every hash. */
  readonly tenantId: string
  /** Rows of read models are written in the commit of their events, as the writer does it. */
  readonly project: Project
  /** Whose signatures count; null: signatures are not looked at. */
  readonly keys: PublicKeys | null
  /** Verifies and compares, and writes nothing. */
  readonly dryRun?: boolean
  /** Events of a transaction. */
  readonly batchEvents?: number
  readonly onVerified?: (done: { readonly events: number }) => void
  readonly onImported?: (done: { readonly events: number; readonly share: number }) => void
}

/** What an import found and did. */
export interface Imported {
  /** Of the export. */
  readonly events: number
  readonly streams: number
  /** Events that were in the database before. */
  readonly present: number
  /** Events that were not: by now they are, unless this was a dry run. */
  readonly fresh: number
  /** Events of the exported log, from its beginning, that a signature covers. */
  readonly covered: number
  readonly root: Buffer
}

/** The lines of an export without their ends, from the first, each time it is called. */
export type ExportLines = () => AsyncIterable<string> | Iterable<string>

const BATCH_EVENTS = 1_000
const BATCH_BYTES = 8 * 1024 * 1024
/** Events of one command stay together: a unit has at most so many. */
const UNIT_EVENTS_MAX = 1_000

/**
 * Writes the events of an export into a database, as they are: hashes, times and command ids. Positions
 * are new ones, in the same order.
 *
 * The whole export is read first: unless it verifies, and every event of it either stands in the
 * database or follows from what stands there, nothing is written. Then what is not there is written in
 * bounded transactions, each of which leaves a valid log. So an import that was interrupted is gone on
 * with by doing it again, and one that was not changes nothing.
 *
 * @param pool of the application's role, with at least three connections.
 * @throws ImportRefusal
 */
export async function importLog(
  pool: Pool,
  lines: ExportLines,
  options: ImportOptions,
): Promise<Imported> {
  const { survey, verification } = await surveyed(pool, lines, options)
  if (!options.dryRun) {
    if (survey.fresh > 0) await write(pool, lines, options, survey, verification)
    await releaseMailboxes(pool, options.tenantId)
  }
  const { events, covered, root } = verification
  const { streams, present, fresh } = survey
  return { events, streams, present, fresh, covered, root }
}

async function surveyed(
  pool: Pool,
  lines: ExportLines,
  { tenantId, project, keys, onVerified }: ImportOptions,
): Promise<{ survey: ImportSurvey; verification: ExportVerification }> {
  const survey = new ImportSurvey(pool, tenantId, new ImportFold(pool, tenantId, project))
  const verification = await verifyExport(lines(), {
    keys,
    ...(onVerified ? { onProgress: onVerified } : {}),
    onEvent: (event, sound) => (sound ? survey.add(event) : undefined),
  })
  if (!verification.ok) {
    const why = verification.findings[0]?.detail ?? 'it does not verify'
    throw new ImportRefusal('unverified', `Nothing was imported: ${why}.`, verification)
  }
  if (verification.tenantId !== tenantId) {
    const why = `The export is of the tenant ${verification.tenantId}, not ${tenantId}: its name is in every hash, so events cannot change tenants.`
    throw new ImportRefusal('tenant', why)
  }
  if (keys && verification.events > 0 && verification.covered === 0) {
    const why =
      'Nothing was imported: the export holds no signature that the key could be tried on.'
    throw new ImportRefusal('unsigned', why)
  }
  await survey.end()
  if (survey.refusal) throw survey.refusal
  return { survey, verification }
}

/** Reads the export again, so that none of it has to be kept meanwhile, and checks it again. */
async function write(
  pool: Pool,
  lines: ExportLines,
  options: ImportOptions,
  survey: ImportSurvey,
  verified: ExportVerification,
): Promise<void> {
  const batches = new Batches(pool, options, survey.fresh)
  try {
    const again = await verifyExport(lines(), {
      keys: options.keys,
      onEvent: (event, sound) => {
        if (!sound) throw changed()
        return survey.isPresent(event) ? undefined : batches.add(event)
      },
    })
    if (!again.ok || !again.root.equals(verified.root)) throw changed()
    await batches.end()
  } finally {
    await batches.settled().catch(() => {})
  }
}

function changed(): ImportRefusal {
  return new ImportRefusal('moved', 'The file was changed while it was imported.')
}

/** One batch is folded while the one before is on its way. */
class Batches {
  readonly #fold: ImportFold
  readonly #snapshots: Snapshots
  #events: StoredEvent[] = []
  #bytes = 0
  #written = 0
  #commit: Promise<void> = Promise.resolve()

  constructor(
    private readonly pool: Pool,
    private readonly options: ImportOptions,
    private readonly total: number,
  ) {
    this.#fold = new ImportFold(pool, options.tenantId, options.project)
    this.#snapshots = new Snapshots(pool)
  }

  async add(event: StoredEvent): Promise<void> {
    if (this.#isFull(event)) await this.#write()
    this.#events.push(event)
    this.#bytes += event.payload?.length ?? 0
  }

  async end(): Promise<void> {
    if (this.#events.length > 0) await this.#write()
    await this.settled()
    await this.#snapshots.idle()
  }

  settled(): Promise<void> {
    return this.#commit
  }

  /** What one command wrote at once is not torn apart: no reader ever saw half of it. */
  #isFull({ commandId }: StoredEvent): boolean {
    const { length } = this.#events
    const { batchEvents = BATCH_EVENTS } = this.options
    if (length < batchEvents && this.#bytes < BATCH_BYTES) return false
    return this.#events.at(-1)?.commandId !== commandId || length >= batchEvents + UNIT_EVENTS_MAX
  }

  async #write(): Promise<void> {
    const { tenantId, onImported } = this.options
    const events = this.#events
    this.#events = []
    this.#bytes = 0
    const batch = await this.#fold.batch(events)
    await this.#commit
    this.#commit = commitBatch(this.pool, tenantId, batch).then(() => {
      this.#written += events.length
      onImported?.({ events: this.#written, share: this.#written / this.total })
      for (const stream of batch.streams) this.#snapshots.consider(tenantId, stream)
    })
    // Looked at before the next one begins.
    this.#commit.catch(() => {})
  }
}
