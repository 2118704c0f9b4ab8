import {
  holds,
  MARK_BYTES,
  type OutsideCheckpoint,
  type PublicKeys,
  type SignedCheckpoint,
} from './checkpoint.js'
import { decoded, type StoredEvent } from './event-row.js'
import type { Finding } from './log-check.js'
import type { Frontier } from './merkle.js'

type SeenEvent = Pick<StoredEvent, 'position' | 'streamId' | 'version' | 'hash'>
type Source<T> = AsyncIterable<T> | Iterable<T>

export interface CheckpointCheckOptions {
  /** As the database has them, by size: each of them must be there. Null: they are not asked for. */
  readonly stored: Source<SignedCheckpoint> | null
  /** As they are kept elsewhere, by size. */
  readonly outside: Source<OutsideCheckpoint>
  /** Null: no signature is checked, so no checkpoint counts. */
  readonly keys: PublicKeys | null
  readonly onFinding: (finding: Finding) => void
}

/**
 * Holds a log, while it is read, against the checkpoints that were signed over it: those stored beside
 * it and the copy kept outside. Only the outside copy can tell that both log and checkpoints were cut
 * or written anew.
 */
export class CheckpointCheck {
  /** Checkpoints whose root and signature hold. */
  count = 0
  /** Events that the last of them covers. */
  covered = 0
  readonly #stored: Ahead<SignedCheckpoint>
  readonly #outside: Ahead<OutsideCheckpoint>
  /** Where the log was found to differ nothing later can agree. */
  #diverged = false
  #before = 0

  private constructor(private readonly options: CheckpointCheckOptions) {
    this.#stored = new Ahead(options.stored ?? [])
    this.#outside = new Ahead(options.outside)
  }

  /** Reads the first of either source: what is appended to them afterwards may be left out. */
  static async open(options: CheckpointCheckOptions): Promise<CheckpointCheck> {
    const check = new CheckpointCheck(options)
    await check.#outside.next()
    await check.#stored.next()
    return check
  }

  /** The size of the tree at which `reach` is due; infinite when there is none left. */
  get due(): number {
    return Math.min(this.#stored.size, this.#outside.size)
  }

  /** Each event, before it becomes leaf `index`. */
  see(event: SeenEvent, index: number): void {
    const { value } = this.#outside
    if (this.#diverged || !value?.marks || index < value.from) return
    const at = (index - value.from) * MARK_BYTES
    for (let i = 0; i < MARK_BYTES; i++) {
      if (value.marks[at + i] === event.hash.charCodeAt(i)) continue
      this.#differs(event, index)
      return
    }
  }

  /** At the size that was due. */
  async reach(tree: Frontier, position: number): Promise<void> {
    const { size } = tree
    const stored = this.#stored.size === size ? this.#stored.value : null
    const outside = this.#outside.size === size ? this.#outside.value : null
    const root = tree.root()
    const wrong = [stored, outside].filter((one) => one && !one.root.equals(root))
    if (wrong.length > 0 && !this.#diverged) this.#rootDiffers(size, position)
    if (outside && !stored && this.options.stored)
      this.#signed(outside, 'checkpoint', `is not in the database any more`)
    if (stored && outside && !sameStatement(stored, outside)) {
      this.#signed(stored, 'checkpoint', 'is another one in the copy outside the database')
    }
    const signed = this.#hasSignature(outside ?? (stored as SignedCheckpoint))
    if (wrong.length === 0 && signed && !this.#diverged) {
      this.count += 1
      this.covered = size
    }
    this.#before = size
    while (this.#stored.size === size) await this.#stored.next()
    // A write that was repeated after a failure stands there twice.
    while (this.#outside.size === size) await this.#outside.next()
  }

  /** After the last event: whatever was signed beyond it is gone. */
  async end(tree: Frontier, position: number): Promise<void> {
    let newest: SignedCheckpoint | null = null
    for (const source of [this.#stored, this.#outside]) {
      while (source.value) {
        const { value } = source
        if (this.#hasSignature(value) && value.size > (newest?.size ?? 0)) newest = value
        await source.next()
      }
    }
    if (!newest) return
    const gone = newest.size - tree.size
    this.options.onFinding({
      kind: 'missing',
      index: tree.size,
      position,
      streamId: null,
      version: null,
      detail: `${gone} events are missing after position ${position}: ${newest.size} were signed at ${newest.time}`,
    })
  }

  #differs(event: SeenEvent, index: number): void {
    const { version, position } = event
    const streamId = decoded(event.streamId)
    this.#diverged = true
    const detail = `at place ${index} of the log stands version ${version} of ${streamId}: not the event that was signed`
    this.options.onFinding({ kind: 'checkpoint', index, position, streamId, version, detail })
  }

  #rootDiffers(size: number, position: number): void {
    this.#diverged = true
    const detail = `the events at places ${this.#before} to ${size - 1} are not those that were signed`
    const place = { index: null, streamId: null, version: null }
    this.options.onFinding({ kind: 'checkpoint', position, ...place, detail })
  }

  #hasSignature(checkpoint: SignedCheckpoint): boolean {
    const { keys } = this.options
    if (keys === null) return false
    const verdict = holds(checkpoint, keys)
    if (verdict === null) {
      const { keyId } = checkpoint
      this.#signed(
        checkpoint,
        'signature',
        `is signed with the key ${keyId}, which is not known here`,
      )
    } else if (!verdict) this.#signed(checkpoint, 'signature', 'has a signature that does not hold')
    return verdict === true
  }

  #signed({ size, position }: SignedCheckpoint, kind: Finding['kind'], what: string): void {
    const place = { index: null, streamId: null, version: null }
    const detail = `the checkpoint of ${size} events ${what}`
    this.options.onFinding({ kind, position, ...place, detail })
  }
}

/** A source that is read one ahead. */
class Ahead<T extends SignedCheckpoint> {
  value: T | null = null
  readonly #rest: AsyncIterator<T>

  constructor(source: Source<T>) {
    this.#rest = inTurn(source)
  }

  get size(): number {
    return this.value?.size ?? Number.POSITIVE_INFINITY
  }

  async next(): Promise<void> {
    const { done, value } = await this.#rest.next()
    this.value = done ? null : value
  }
}

async function* inTurn<T>(source: Source<T>): AsyncGenerator<T, void, undefined> {
  yield* source
}

function sameStatement(a: SignedCheckpoint, b: SignedCheckpoint): boolean {
  const same = a.root.equals(b.root) && a.position === b.position && a.time === b.time
  return same && a.keyId === b.keyId && a.signature.equals(b.signature)
}
