import type { BlameSpan } from '#domain/blame.js'
import type { BlockState } from '#domain/block-state.js'
import { type Fate, fates, type NamedText, type PastEdit, wordHunks } from '#domain/diff.js'
import type { Span } from '#domain/place.js'
import { length } from '#domain/text.js'
import { foldStream, type Queryable } from '#event-store/stream-reader.js'
import type { Blames } from './blame.js'
import { textEdits } from './text-edits.js'
import { readWriters, type Writer } from './writers.js'

/** One place where two versions of a block differ. Lines from 1, offsets in code points, of the newer text. */
export interface DiffHunk {
  readonly line: number
  readonly offset: number
  readonly removed: string
  readonly added: string
  /** What stands right before and behind it in its line. */
  readonly before: string
  readonly after: string
  /** Whose the added words are, oldest first. */
  readonly authors: readonly Writer[]
  /** Which events took the removed words away, oldest first. */
  readonly removed_by: readonly Writer[]
}

/** A block at two versions: its texts under `label@version`. */
export interface Compared {
  readonly from: NamedText & { readonly version: number }
  readonly to: NamedText & { readonly version: number }
}

/**
 * The texts of two versions of a block, of deleted blocks too. Version 0 is before its creation, without text.
 *
 * @param versions `to` is the newest by default, `from` the one before `to`
 * @returns null when there never was such a block, or the version it has reached when one of them is higher
 */
export async function compareVersions(
  pool: Queryable,
  tenantId: string,
  blockId: string,
  versions: { readonly from?: number | undefined; readonly to?: number | undefined },
): Promise<Compared | { readonly head: number } | null> {
  const stream = await foldStream(pool, tenantId, blockId, versions.to)
  if (stream.version === 0) return null
  if (stream.version < (versions.to ?? 0)) return { head: stream.version }
  const to = named(stream.state as BlockState)
  const version = versions.from ?? to.version - 1
  if (version > to.version) return { head: to.version }
  if (version === to.version) return { from: to, to }
  if (version === 0) return { from: { ...to, version, name: nameOf(to.label, 0), value: '' }, to }
  const { state } = await foldStream(pool, tenantId, blockId, version)
  return { from: named(state as BlockState), to }
}

function named({ version, value, settings }: BlockState) {
  return { version, value, label: settings.label, name: nameOf(settings.label, version) }
}

function nameOf(label: string, version: number): string {
  return `${label}@${version}`
}

/** Where two versions differ, word by word, and who did it. */
export async function diffHunks(
  pool: Queryable,
  blames: Blames,
  tenantId: string,
  blockId: string,
  { from, to }: Compared,
): Promise<DiffHunk[]> {
  const hunks = wordHunks(from.value, to.value)
  if (hunks.length === 0) return []
  const edits: PastEdit[] = []
  const range = { after: from.version, upTo: to.version, order: 'desc' } as const
  for await (const window of textEdits(pool, tenantId, blockId, range)) edits.push(...window)
  const gone = fates(length(to.value), edits)
  const spans = await blames.spans(tenantId, blockId, to.version)
  const told = hunks.map((hunk) => ({
    hunk,
    authors: versionsIn(spans, hunk.to, (span) => span.version),
    removers: versionsIn(gone, hunk.from, (fate) => fate.goneBy),
  }))
  const versions = new Set(told.flatMap(({ authors, removers }) => [...authors, ...removers]))
  const writers = await readWriters(pool, tenantId, blockId, [...versions])
  const writersOf = (all: readonly number[]): Writer[] =>
    all.flatMap((version) => writers.get(version) ?? [])
  return told.map(({ hunk, authors, removers }): DiffHunk => {
    const { line, removed, added, before, after, to } = hunk
    const place = { line, offset: to.start }
    const by = { authors: writersOf(authors), removed_by: writersOf(removers) }
    return { ...place, removed, added, before, after, ...by }
  })
}

/** The versions that some stretches name within a span, oldest first. */
function versionsIn<Stretch extends BlameSpan | Fate>(
  stretches: readonly Stretch[],
  { start, end }: Span,
  versionOf: (stretch: Stretch) => number | null,
): number[] {
  const found = new Set<number>()
  for (let i = firstBehind(stretches, start); i < stretches.length; i++) {
    const stretch = stretches[i] as Stretch
    if (stretch.start >= end) break
    const version = versionOf(stretch)
    if (version !== null) found.add(version)
  }
  return [...found].sort((a, b) => a - b)
}

/** The first stretch that ends behind a place. */
function firstBehind(stretches: readonly Span[], place: number): number {
  let low = 0
  let high = stretches.length
  while (low < high) {
    const mid = (low + high) >> 1
    if ((stretches[mid] as Span).end > place) high = mid
    else low = mid + 1
  }
  return low
}
