import {
  type Blame,
  type BlamedEdit,
  type BlameSpan,
  blameAll,
  broughtBack,
  NO_BLAME,
  reaching,
  spansAt,
} from '#domain/blame.js'
import type { BlockEvent } from '#domain/block-events.js'
import { LOOK_BACK_MAX } from '#domain/block-memory.js'
import type { BlockState } from '#domain/block-state.js'
import { pieces } from '#domain/text.js'
import { wordDifference } from '#domain/word-diff.js'
import { foldStream, type Queryable } from '#event-store/stream-reader.js'
import { textEdits } from './text-edits.js'
import { readWriters, type Writer } from './writers.js'

/** A span of a block's text, and who wrote it. Code points; `end` is exclusive. */
export interface WrittenSpan extends Writer {
  readonly start: number
  readonly end: number
  readonly text: string
  /** The undo or restore that put it back; null for what was never gone. */
  readonly restored_by: number | null
  /** The newest rethink or restore that left it standing, word for word. */
  readonly touched_by: number | null
}

export interface BlamePage {
  readonly version: number
  readonly spans: readonly WrittenSpan[]
  readonly hasMore: boolean
}

/** Versions that what is kept of a block reaches back. */
const REACH_KEPT = 64
const BLOCKS_MAX = 256
/** Over all blocks, with their writers: some 30 MB. */
const SPANS_MAX = 50_000

/** What is kept of one block: its blame at its newest version that was asked for. */
interface Known {
  readonly blame: Blame
  readonly spans: readonly BlameSpan[]
  readonly writers: Map<number, Writer>
}

/**
 * Who wrote what. A block's blame is folded from its first event, and kept: history does not change, so a
 * later question reads only what came since. The least recently asked goes first.
 */
export class Blames {
  readonly #known = new Map<string, Known>()
  #spans = 0

  constructor(private readonly pool: Queryable) {}

  /**
   * The spans of a block from a place of its text on, of deleted blocks too.
   *
   * @param version by default the newest
   * @param page `from`: code points
   * @returns null when there never was such a block, or the version it has reached when that is lower
   */
  async page(
    tenantId: string,
    blockId: string,
    version: number | undefined,
    page: { readonly from: number; readonly limit: number },
  ): Promise<BlamePage | { readonly head: number } | null> {
    const stream = await foldStream(this.pool, tenantId, blockId, version)
    if (stream.version === 0) return null
    if (version !== undefined && stream.version < version) return { head: stream.version }
    const { value } = stream.state as BlockState
    const all = await this.spans(tenantId, blockId, stream.version)
    const later = all.filter((span) => span.end > page.from)
    const shown = later.slice(0, page.limit)
    const writers = await this.#writers(tenantId, blockId, stream.version, shown)
    const start = shown[0]?.start ?? 0
    const [, ...texts] = pieces(value, [start, ...shown.map((span) => span.end - span.start)])
    const spans = shown.map((span, i): WrittenSpan => {
      const writer = writers.get(span.version)
      if (!writer) throw new Error(`version ${span.version} of ${blockId} cannot be read`)
      const { start, end, restoredBy, touchedBy } = span
      const text = texts[i] as string
      return { start, end, text, ...writer, restored_by: restoredBy, touched_by: touchedBy }
    })
    return { version: stream.version, spans, hasMore: later.length > shown.length }
  }

  /** The spans of a block at a version it has reached. */
  async spans(tenantId: string, blockId: string, version: number): Promise<readonly BlameSpan[]> {
    const key = `${tenantId}/${blockId}`
    const known = this.#known.get(key)
    if (known?.blame.version === version) {
      this.#keep(key, known)
      return known.spans
    }
    if (known && known.blame.version > version) {
      const spans = spansAt(known.blame, version)
      if (spans) return spans
    }
    const newer = known === undefined || known.blame.version < version
    const blame =
      (known && newer && (await this.#fold(tenantId, blockId, known.blame, version))) ||
      (await this.#fold(tenantId, blockId, NO_BLAME, version))
    if (!blame) throw new Error(`the blame of ${blockId} cannot be folded from its first event`)
    const spans = spansAt(blame, version) as BlameSpan[]
    const current = this.#known.get(key)
    if (!current || current.blame.version < version) {
      const standing = new Set(spans.map((span) => span.version))
      const writers = [...(current?.writers ?? [])].filter(([writer]) => standing.has(writer))
      const kept = reaching(blame, version - REACH_KEPT)
      this.#keep(key, { blame: kept, spans, writers: new Map(writers) })
    }
    return spans
  }

  /** @returns null when an edit goes back further than what is known. */
  async #fold(
    tenantId: string,
    blockId: string,
    before: Blame,
    upTo: number,
  ): Promise<Blame | null> {
    let blame: Blame | null = before
    const range = { after: before.version, upTo, order: 'asc' } as const
    for await (const window of textEdits(this.pool, tenantId, blockId, range)) {
      const edits: BlamedEdit[] = []
      for (const edit of window) {
        edits.push(edit.event ? await this.#sourced(tenantId, blockId, edit, edit.event) : edit)
      }
      blame = blameAll(blame, edits, edits.at(-1)?.version ?? blame.version)
      if (!blame) return null
    }
    return blameAll(blame, [], upTo)
  }

  /** What went back to a text that others had changed meanwhile is told by comparing the texts. */
  async #sourced(
    tenantId: string,
    blockId: string,
    edit: BlamedEdit,
    event: BlockEvent,
  ): Promise<BlamedEdit> {
    const back = broughtBack(event)
    if (!back) return edit
    const { source, aligned } = back
    const isNear = edit.version - source.version < LOOK_BACK_MAX
    if (source.from === 'removed' || aligned || !isNear) return { ...edit, source }
    const texts = [source.version, edit.version].map(async (at) => {
      const { state } = await foldStream(this.pool, tenantId, blockId, at)
      return (state as BlockState).value
    })
    const [then, now] = (await Promise.all(texts)) as [string, string]
    return { ...edit, source: { ...source, alignment: wordDifference(then, now) } }
  }

  /** Kept are those of the version that is kept. */
  async #writers(
    tenantId: string,
    blockId: string,
    version: number,
    spans: readonly BlameSpan[],
  ): Promise<ReadonlyMap<number, Writer>> {
    const known = this.#known.get(`${tenantId}/${blockId}`)
    const kept = known?.blame.version === version ? known.writers : new Map<number, Writer>()
    const versions = new Set(spans.map((span) => span.version))
    const missing = [...versions].filter((one) => !kept.has(one))
    for (const [one, writer] of await readWriters(this.pool, tenantId, blockId, missing)) {
      kept.set(one, writer)
    }
    return kept
  }

  #keep(key: string, block: Known): void {
    this.#forget(key)
    this.#known.set(key, block)
    this.#spans += block.spans.length
    while (this.#known.size > BLOCKS_MAX || this.#spans > SPANS_MAX) {
      this.#forget(this.#known.keys().next().value as string)
    }
  }

  #forget(key: string): void {
    this.#spans -= this.#known.get(key)?.spans.length ?? 0
    this.#known.delete(key)
  }
}
