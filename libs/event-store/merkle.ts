import { hash } from 'node:crypto'
import { stringBuffer } from './hash-input.js'

/**
 * The Merkle tree of RFC 6962 and RFC 9162: a leaf is SHA-256(0x00 ‖ data), a node
 * SHA-256(0x01 ‖ left ‖ right), and the left subtree of n leaves has the largest power of two below n.
 */

const DIGEST_BYTES = 32
/** Leaves of the subtrees whose roots are kept for proofs. */
export const SUBTREE_LEAVES = 256
/** Root of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Buffer = hash('sha256', Buffer.alloc(0), 'buffer')

/** Leaves of a tree from `from`, inclusive, to `to`, exclusive. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** SHA-256 over a prefix byte and one or two digests, on buffers that are used again. */
const leafInput = stringBuffer(1 + DIGEST_BYTES)
const nodeInput = stringBuffer(1 + 2 * DIGEST_BYTES).fill(1)

// Digests travel as binary strings: node makes and copies those in half the time of buffers.
function leafDigest(data: Uint8Array | string): string {
  if (typeof data === 'string') {
    leafInput.latin1Write(data, 1)
    return hash('sha256', leafInput, 'binary')
  }
  if (data.length !== DIGEST_BYTES) {
    return hash('sha256', Buffer.concat([Buffer.of(0), data]), 'binary')
  }
  leafInput.set(data, 1)
  return hash('sha256', leafInput, 'binary')
}

function nodeDigest(left: string, right: string): string {
  nodeInput.latin1Write(left, 1)
  nodeInput.latin1Write(right, 1 + DIGEST_BYTES)
  return hash('sha256', nodeInput, 'binary')
}

/** The hash of one leaf. */
export function leafHash(data: Uint8Array): Buffer {
  return Buffer.from(leafDigest(data), 'latin1')
}

/** The hash of a node over the hashes of its two subtrees. */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(nodeDigest(left.toString('latin1'), right.toString('latin1')), 'latin1')
}

/**
 * The right edge of a growing tree: the roots of its full subtrees, largest first. All that is needed
 * to append and to tell the root: some log₂(size) hashes.
 */
export class Frontier {
  #size: number
  readonly #peaks: string[]
  #subtree = ''

  private constructor(size: number, peaks: string[]) {
    this.#size = size
    this.#peaks = peaks
  }

  static empty(): Frontier {
    return new Frontier(0, [])
  }

  /**
   * @param peaks what `peaks()` gave: as many hashes as `size` has one bits.
   * @throws RangeError when they are not.
   */
  static restore(size: number, peaks: Buffer): Frontier {
    const count = ones(size)
    if (peaks.length !== count * DIGEST_BYTES) {
      throw new RangeError(
        `a tree of ${size} leaves has ${count} full subtrees, not ${peaks.length} bytes`,
      )
    }
    const each = Array.from({ length: count }, (_, i) =>
      peaks.toString('latin1', i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES),
    )
    return new Frontier(size, each)
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size
  }

  /** The roots of the full subtrees, one after another. */
  peaks(): Buffer {
    return Buffer.from(this.#peaks.join(''), 'latin1')
  }

  /** @param data of a leaf: bytes, or 32 of them as a binary string. */
  append(data: Uint8Array | string): void {
    this.#push(leafDigest(data), 1)
  }

  /**
   * Appends a full subtree.
   *
   * @param leaves a power of two that divides the size so far.
   */
  appendSubtree(root: Buffer, leaves: number): void {
    this.#push(root.toString('latin1'), leaves)
  }

  /** The root of the newest full `SUBTREE_LEAVES`: right after the leaf that made it full. */
  subtree(): Buffer {
    return Buffer.from(this.#subtree, 'latin1')
  }

  root(): Buffer {
    if (this.#peaks.length === 0) return EMPTY_ROOT
    return Buffer.from(
      this.#peaks.reduceRight((right, left) => nodeDigest(left, right)),
      'latin1',
    )
  }

  /** As when counting in binary: subtrees of equal size are joined. */
  #push(digest: string, leaves: number): void {
    if (this.#size % leaves !== 0)
      throw new RangeError('a subtree must begin at a multiple of its size')
    let joined = digest
    let span = leaves
    while (Math.floor(this.#size / span) % 2 === 1) {
      joined = nodeDigest(this.#peaks.pop() as string, joined)
      span *= 2
      if (span === SUBTREE_LEAVES) this.#subtree = joined
    }
    this.#peaks.push(joined)
    this.#size += leaves
  }
}

/**
 * Which subtrees prove that leaf `index` is in the tree of `size`: their roots, in this order, are the
 * inclusion proof (RFC 9162 §2.1.3.1).
 */
export function inclusionRanges(index: number, size: number): Range[] {
  if (index < 0 || index >= size) throw new RangeError(`leaf ${index} is not in a tree of ${size}`)
  const ranges: Range[] = []
  let tree = { from: 0, to: size }
  while (tree.to - tree.from > 1) {
    const middle = tree.from + split(tree.to - tree.from)
    const [inside, outside] = halves(tree, middle, index < middle)
    ranges.unshift(outside)
    tree = inside
  }
  return ranges
}

/**
 * Which subtrees prove that the tree of `size` begins with the one of `first`: their roots, in this
 * order, are the consistency proof (RFC 9162 §2.1.4.1).
 */
export function consistencyRanges(first: number, size: number): Range[] {
  if (first < 1 || first > size) throw new RangeError(`no proof from ${first} to ${size}`)
  const ranges: Range[] = []
  let tree = { from: 0, to: size }
  while (tree.to !== first) {
    const middle = tree.from + split(tree.to - tree.from)
    const [inside, outside] = halves(tree, middle, first <= middle)
    ranges.unshift(outside)
    tree = inside
  }
  // The first tree's own root is known to whoever asks.
  return tree.from === 0 ? ranges : [tree, ...ranges]
}

/** The roots of several ranges of the same leaves, for small trees and tests. */
export function rangeRoots(leaves: readonly Uint8Array[], ranges: readonly Range[]): Buffer[] {
  return ranges.map(({ from, to }) => {
    const tree = Frontier.empty()
    for (const leaf of leaves.slice(from, to)) tree.append(leaf)
    return tree.root()
  })
}

/** Whether `proof` shows that a leaf with this hash stands at `index` of the tree (RFC 9162 §2.1.3.2). */
export function verifyInclusion(
  tree: { readonly size: number; readonly root: Buffer },
  leaf: { readonly index: number; readonly hash: Buffer },
  proof: readonly Buffer[],
): boolean {
  if (leaf.index < 0 || leaf.index >= tree.size) return false
  const ranges = inclusionRanges(leaf.index, tree.size)
  if (ranges.length !== proof.length) return false
  const root = proof.reduce(
    (inside, outside, i) =>
      (ranges[i] as Range).from > leaf.index
        ? nodeHash(inside, outside)
        : nodeHash(outside, inside),
    leaf.hash,
  )
  return root.equals(tree.root)
}

/** Whether `proof` shows that the second tree begins with the first (RFC 9162 §2.1.4.2). */
export function verifyConsistency(
  first: { readonly size: number; readonly root: Buffer },
  second: { readonly size: number; readonly root: Buffer },
  proof: readonly Buffer[],
): boolean {
  if (first.size > second.size) return false
  if (first.size === 0) return proof.length === 0 && first.root.equals(EMPTY_ROOT)
  const ranges = consistencyRanges(first.size, second.size)
  if (ranges.length !== proof.length) return false
  const withinFirst = ranges[0] !== undefined && ranges[0].to === first.size
  const start = withinFirst ? (proof[0] as Buffer) : first.root
  let old = start
  let now = start
  for (let i = withinFirst ? 1 : 0; i < proof.length; i++) {
    const hash = proof[i] as Buffer
    if ((ranges[i] as Range).from >= first.size) now = nodeHash(now, hash)
    else {
      old = nodeHash(hash, old)
      now = nodeHash(hash, now)
    }
  }
  return old.equals(first.root) && now.equals(second.root)
}

function halves(tree: Range, middle: number, left: boolean): [inside: Range, outside: Range] {
  const low = { from: tree.from, to: middle }
  const high = { from: middle, to: tree.to }
  return left ? [low, high] : [high, low]
}

/** The largest power of two below `leaves`. */
function split(leaves: number): number {
  let half = 1
  while (half * 2 < leaves) half *= 2
  return half
}

function ones(size: number): number {
  let count = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}
