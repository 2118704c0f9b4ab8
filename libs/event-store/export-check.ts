import { holds, type OutsideCheckpoint, type PublicKeys } from './checkpoint.js'
import { CheckpointCheck } from './checkpoint-check.js'
import { encoded, type StoredEvent } from './event-row.js'
import { type ExportHeader, type ExportManifest, readLine } from './export-line.js'
import { Findings } from './findings.js'
import { type FindingKind, LogCheck } from './log-check.js'
import { Frontier, leafHash, verifyInclusion } from './merkle.js'

export interface ExportCheckOptions {
  /** Null: no signature is checked, and nothing counts as covered by one. */
  readonly keys: PublicKeys | null
  /** A copy of the checkpoints, if there is one: it also tells where an altered log was altered. */
  readonly outside?: AsyncIterable<OutsideCheckpoint> | Iterable<OutsideCheckpoint>
  readonly onProgress?: (done: { readonly events: number }) => void
  /**
   * Each event once it was checked; the next line waits for it.
   *
   * @param sound nothing was found wrong so far.
   */
  readonly onEvent?: (event: StoredEvent, sound: boolean) => Promise<void> | void
}

/** What the verification of an export found. */
export interface ExportVerification {
  readonly ok: boolean
  readonly tenantId: string
  readonly streamId: string | null
  readonly events: number
  readonly streams: number
  readonly checkpoints: number
  /** Events of the log, from its beginning, that a signature covers. */
  readonly covered: number
  readonly root: Buffer
  readonly findings: ReturnType<Findings['inOrder']>
  readonly found: number
}

const PROGRESS_EVENTS = 2_000

/**
 * Verifies an export by itself, without the database: what it needs is the export and a public key.
 * Several exports one after another, each going on where the one before ended, are one.
 *
 * @param lines of the file, without their ends.
 */
export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  options: ExportCheckOptions,
): Promise<ExportVerification> {
  const reader = new ExportReader(options)
  for await (const line of lines) await reader.read(line)
  return reader.end()
}

class ExportReader {
  readonly #findings = new Findings()
  #line = 0
  #header: ExportHeader | null = null
  #check: LogCheck | null = null
  /** The checkpoint of the part that is read, and the outside copy. */
  #part: CheckpointCheck | null = null
  #outside: CheckpointCheck | null = null
  #partEvents = 0
  #events = 0
  #whole = false
  #proven = { checkpoints: 0, covered: 0 }
  #inclusionSeen = false

  constructor(private readonly options: ExportCheckOptions) {}

  async read(text: string): Promise<void> {
    this.#line += 1
    const line = readLine(text)
    if (!line) this.#found('format', `line ${this.#line} is no line of an export`)
    else if ('header' in line) await this.#begin(line.header)
    else if (!this.#check) this.#found('format', `line ${this.#line} stands before any header`)
    else if ('event' in line) await this.#event(line.event, this.#check)
    else await this.#finish(line.manifest, this.#check)
  }

  async end(): Promise<ExportVerification> {
    const check = this.#check
    if (!this.#whole) this.#found('missing', 'the last part has no manifest: it was cut off')
    // What the outside copy has beyond this export was made after it.
    const outside = this.#outside
    const found = this.#findings.found
    return {
      ok: found === 0,
      tenantId: this.#header?.tenantId ?? '',
      streamId: this.#header?.streamId ?? null,
      events: this.#events,
      streams: check?.streams ?? 0,
      checkpoints: Math.max(this.#proven.checkpoints, outside?.count ?? 0),
      covered: Math.max(this.#proven.covered, outside?.covered ?? 0),
      root: (check?.tree ?? Frontier.empty()).root(),
      findings: this.#findings.inOrder(),
      found,
    }
  }

  async #begin(header: ExportHeader): Promise<void> {
    const before = this.#header
    const { tenantId, streamId } = header
    if (before && (before.tenantId !== tenantId || before.streamId !== null || streamId !== null)) {
      this.#found('format', `line ${this.#line} begins the export of something else`)
    }
    this.#leavePart()
    this.#header = header
    this.#whole = false
    this.#partEvents = 0
    this.#inclusionSeen = false
    this.#check ??= this.#openLog(header)
    if (header.streamId !== null) return
    // A part that was interrupted has no manifest; whoever goes on says where, and that must fit.
    if (!header.start.peaks.equals(this.#check.tree.peaks())) {
      this.#found('missing', `line ${this.#line} does not go on where the part before it ended`)
    }
    const { keys } = this.options
    const onFinding = this.#findings.add.bind(this.#findings)
    const outside = header.checkpoint ? [{ ...header.checkpoint, from: 0, marks: null }] : []
    this.#part = await CheckpointCheck.open({ stored: null, outside, keys, onFinding })
    if (before || !this.options.outside) return
    const later = after(this.options.outside, header.start.size)
    this.#outside = await CheckpointCheck.open({ stored: null, outside: later, keys, onFinding })
  }

  #openLog({ tenantId, start, after: from }: ExportHeader): LogCheck {
    let tree = Frontier.empty()
    try {
      tree = Frontier.restore(start.size, start.peaks)
    } catch {
      this.#found('format', `line ${this.#line} does not say where the export begins`)
    }
    const onFinding = this.#findings.add.bind(this.#findings)
    return new LogCheck({ tenantId, onFinding, start: tree, partial: from > 0 })
  }

  async #event(event: StoredEvent, check: LogCheck): Promise<void> {
    const checks = [this.#part, this.#outside].filter((one) => one !== null)
    for (const one of checks) one.see(event, check.tree.size)
    if (event.position <= check.position) {
      this.#found('format', `line ${this.#line} is not in the order of the log`)
    }
    check.check(event)
    for (const one of checks) {
      if (one.due === check.tree.size) await one.reach(check.tree, event.position)
    }
    this.#events += 1
    this.#partEvents += 1
    this.#prove(event)
    if (this.#events % PROGRESS_EVENTS === 0) this.options.onProgress?.({ events: this.#events })
    const { onEvent } = this.options
    if (onEvent) await onEvent(event, this.#findings.found === 0)
  }

  /** One stream: the event that is shown to be a leaf of the signed tree. */
  #prove(event: StoredEvent): void {
    const { checkpoint, inclusion, streamId } = this.#header as ExportHeader
    if (streamId === null || !checkpoint || inclusion?.version !== event.version) return
    this.#inclusionSeen = true
    const leaf = { index: inclusion.index, hash: leafHash(Buffer.from(event.hash, 'latin1')) }
    const { keys } = this.options
    const signature = keys === null ? undefined : holds(checkpoint, keys)
    if (signature === null) {
      this.#found('signature', `the key ${checkpoint.keyId} is not known here`)
    } else if (signature === false) {
      this.#found('signature', 'the signature of the checkpoint does not hold')
    } else if (!verifyInclusion(checkpoint, leaf, inclusion.proof)) {
      const { position, version } = event
      const detail = `version ${version} of ${streamId} is not in the log that was signed`
      const place = { index: inclusion.index, position, streamId, version }
      this.#findings.add({ kind: 'checkpoint', ...place, detail })
    } else if (signature) this.#proven = { checkpoints: 1, covered: checkpoint.size }
  }

  async #finish(manifest: ExportManifest, check: LogCheck): Promise<void> {
    this.#whole = true
    const { events, size, root, lastPosition } = manifest
    if (events !== this.#partEvents) {
      this.#found('missing', `the manifest counts ${events} events; there are ${this.#partEvents}`)
    } else if (size !== check.tree.size || !root.equals(check.tree.root())) {
      this.#found('checkpoint', 'the events do not give the root that the manifest names')
    } else if (events > 0 && lastPosition !== check.position) {
      this.#found('missing', `the manifest ends at position ${lastPosition}`)
    }
    const header = this.#header as ExportHeader
    if (header.inclusion && !this.#inclusionSeen && header.inclusion.version > 0 && events > 0) {
      const last = check.tip(encoded(header.streamId as string))?.version ?? 0
      if (last < header.inclusion.version)
        this.#found('missing', 'the event that was proven is gone')
    }
    if (!this.#part) return
    await this.#part.end(check.tree, check.position)
    this.#leavePart()
  }

  #leavePart(): void {
    if (!this.#part) return
    const { count, covered } = this.#part
    const checkpoints = this.#proven.checkpoints + count
    this.#proven = { checkpoints, covered: Math.max(this.#proven.covered, covered) }
    this.#part = null
  }

  #found(kind: FindingKind, detail: string): void {
    const place = { index: null, position: null, streamId: null, version: null }
    this.#findings.add({ kind, ...place, detail })
  }
}

/** Those that cover more than an export's beginning. */
async function* after(
  checkpoints: AsyncIterable<OutsideCheckpoint> | Iterable<OutsideCheckpoint>,
  size: number,
): AsyncGenerator<OutsideCheckpoint, void, undefined> {
  for await (const checkpoint of checkpoints) if (checkpoint.size > size) yield checkpoint
}
