import type { Pool, PoolClient } from 'pg'
import {
  type CheckpointSigner,
  type CheckpointSink,
  MARK_BYTES,
  type OutsideCheckpoint,
  statement,
} from './checkpoint.js'
import {
  insertCheckpoint,
  listCheckpoints,
  newestCheckpoint,
  readLeaves,
  type StoredCheckpoint,
  type Subtree,
  treeOf,
} from './checkpoint-table.js'
import { Fence } from './fence.js'
import { Frontier, SUBTREE_LEAVES } from './merkle.js'

export interface CheckpointOptions {
  /** One connection of it is held while this process makes the checkpoints. */
  readonly pool: Pool
  readonly tenantIds: readonly string[]
  readonly signer: CheckpointSigner
  readonly sink: CheckpointSink
  /** Each failure that differs from the one before. */
  readonly onError: (error: unknown) => void
  /** Between two of one tenant, in milliseconds. */
  readonly everyMs?: number
}

/** The log is not the one that was signed: nothing more is signed until somebody has looked. */
export class CheckpointRefusal extends Error {
  constructor(
    readonly reason: 'head_regressed' | 'log_altered',
    message: string,
  ) {
    super(message)
    this.name = 'CheckpointRefusal'
  }
}

/** The outside copy was not written: what was signed stands in the database and is offered again. */
export class SinkFailure extends Error {
  constructor(cause: unknown) {
    super(`the copy of the checkpoints was not written: ${(cause as Error).message}`, { cause })
    this.name = 'SinkFailure'
  }
}

const EVERY_MS = 1_000
/** Events one checkpoint covers at most beyond the one before, so that a first one is not made for minutes. */
const EVENTS_MAX = 200_000
const WINDOW = 2_000
/** Checkpoints one pass writes to the sink. */
const KEPT_MAX = 100
/** Of the one who makes them: an advisory lock of the database, given free when its session ends. */
const MAKER_LOCK = 7_304_215_118

/**
 * Makes the checkpoints of the log: after the fact, from the certain part of it, so that no writer
 * waits. Of all processes one makes them. What the sink does not take stands in the database and is
 * offered again.
 */
export class CheckpointMaker {
  #session: PoolClient | null = null
  #fence: Fence | null = null
  #leads = false
  #timer: NodeJS.Timeout | null = null
  #pass: Promise<unknown> = Promise.resolve()
  #closed = false
  #complaint = ''
  /** Marks of what this process has signed and the sink has not taken yet, by size. */
  readonly #marks = new Map<string, Buffer>()

  constructor(private readonly options: CheckpointOptions) {}

  start(): void {
    if (this.#closed) return
    const everyMs = this.options.everyMs ?? EVERY_MS
    this.#pass = this.make()
      .then(() => {
        this.#complaint = ''
      })
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        if (!this.#closed) this.#timer = setTimeout(() => this.start(), everyMs)
      })
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#pass
    // Given back first: the server notices that a session has ended some time after its client ended it.
    // A session that broke has nothing left to give back.
    const unlock = 'select pg_advisory_unlock($1)'
    if (this.#leads) await this.#session?.query(unlock, [MAKER_LOCK]).catch(() => {})
    // Ended, not returned: the lock must not stay with a connection that serves others.
    this.#session?.release(true)
    this.#session = null
  }

  /**
   * One pass: what is certain by now is signed and kept outside.
   *
   * @returns false when another process makes them.
   * @throws CheckpointRefusal, SinkFailure, and whatever the database throws.
   */
  async make(): Promise<boolean> {
    const session = await this.#lead()
    if (!session) return false
    const { certified } = await (this.#fence as Fence).advance()
    for (const tenantId of this.options.tenantIds) {
      await this.#extend(session, tenantId, certified)
      await this.#keep(session, tenantId)
    }
    return true
  }

  async #lead(): Promise<PoolClient | null> {
    if (!this.#session) {
      this.#session = await this.options.pool.connect()
      // A held connection that breaks says so; unheard, it would end the process.
      this.#session.on('error', () => {})
      this.#fence = new Fence(this.#session)
      this.#leads = false
    }
    if (!this.#leads) {
      const { rows } = await this.#session.query<{ got: boolean }>(
        'select pg_try_advisory_lock($1) as got',
        [MAKER_LOCK],
      )
      this.#leads = rows[0]?.got === true
    }
    return this.#leads ? this.#session : null
  }

  async #extend(session: PoolClient, tenantId: string, certified: number): Promise<void> {
    const last = await newestCheckpoint(session, tenantId)
    await this.#refuseRegress(tenantId, last)
    const tree = treeOf(last)
    if (!tree) {
      const why = `the checkpoint of ${last?.size} events was changed in the database`
      throw new CheckpointRefusal('log_altered', why)
    }
    let position = last?.position ?? 0
    const subtrees: Subtree[] = []
    const marks: Buffer[] = []
    while (marks.length < EVENTS_MAX) {
      const window = { after: position, upTo: certified, limit: WINDOW }
      const leaves = await readLeaves(session, tenantId, window)
      for (const leaf of leaves) {
        tree.append(leaf.hash)
        marks.push(leaf.hash.subarray(0, MARK_BYTES))
        position = leaf.position
        if (tree.size % SUBTREE_LEAVES > 0) continue
        const place = tree.size / SUBTREE_LEAVES - 1
        subtrees.push({ place, root: tree.subtree(), position })
      }
      if (leaves.length < WINDOW) break
    }
    if (marks.length === 0) return
    const { keyId } = this.options.signer
    const time = new Date().toISOString()
    const checkpoint = { tenantId, size: tree.size, root: tree.root(), position, time }
    const signature = this.options.signer.sign(statement(checkpoint))
    const stored = { ...checkpoint, signature, keyId, frontier: tree.peaks() }
    await insertCheckpoint(session, stored, subtrees)
    this.#marks.set(`${tenantId}/${tree.size}`, Buffer.concat(marks))
  }

  /** A database that was put back to an earlier state must not get a second history signed. */
  async #refuseRegress(tenantId: string, last: StoredCheckpoint | null): Promise<void> {
    const kept = await this.options.sink.last(tenantId)
    if (!kept) return
    if (kept.size < (last?.size ?? 0)) return
    if (kept.size === last?.size && kept.root.equals(last.root)) return
    throw new CheckpointRefusal(
      'head_regressed',
      `the copy outside the database holds a checkpoint of ${kept.size} events that the database does not: ` +
        'it was put back to an earlier state, it was tampered with, or it is another database',
    )
  }

  /** Whatever the sink lacks, from its newest on. */
  async #keep(session: PoolClient, tenantId: string): Promise<void> {
    const kept = await this.options.sink.last(tenantId)
    const page = { after: kept?.size ?? 0, limit: KEPT_MAX, order: 'asc' } as const
    const missing = await listCheckpoints(session, tenantId, page)
    let before = kept && (await this.#stored(session, tenantId, kept.size))
    const outside: OutsideCheckpoint[] = []
    for (const checkpoint of missing) {
      const key = `${tenantId}/${checkpoint.size}`
      const marks = this.#marks.get(key) ?? (await this.#marksAgain(session, before, checkpoint))
      outside.push({ ...checkpoint, from: before?.size ?? 0, marks })
      before = checkpoint
    }
    if (outside.length === 0) return
    await this.options.sink.append(outside).catch((error: unknown) => {
      throw new SinkFailure(error)
    })
    for (const { size } of outside) this.#marks.delete(`${tenantId}/${size}`)
  }

  async #stored(session: PoolClient, tenantId: string, size: number) {
    const page = { after: size - 1, limit: 1, order: 'asc' } as const
    const [checkpoint] = await listCheckpoints(session, tenantId, page)
    return checkpoint ?? null
  }

  /** Read again after a restart, and only if they still give the root that was signed. */
  async #marksAgain(
    session: PoolClient,
    before: StoredCheckpoint | null,
    checkpoint: StoredCheckpoint,
  ): Promise<Buffer | null> {
    const tree = treeOf(before) ?? Frontier.empty()
    const marks: Buffer[] = []
    let after = before?.position ?? 0
    for (;;) {
      const window = { after, upTo: checkpoint.position, limit: WINDOW }
      const leaves = await readLeaves(session, checkpoint.tenantId, window)
      for (const { hash } of leaves) {
        tree.append(hash)
        marks.push(hash.subarray(0, MARK_BYTES))
      }
      if (leaves.length < WINDOW) break
      after = leaves.at(-1)?.position as number
    }
    return tree.root().equals(checkpoint.root) ? Buffer.concat(marks) : null
  }

  /** Told once, not every second. A session that failed may be broken: the next pass opens another. */
  #failed(error: unknown): void {
    if (!(error instanceof CheckpointRefusal || error instanceof SinkFailure)) {
      this.#session?.release(true)
      this.#session = null
    }
    const complaint = String(error)
    if (complaint === this.#complaint || this.#closed) return
    this.#complaint = complaint
    this.options.onError(error)
  }
}
