import type { StoredCheckpoint } from './checkpoint-table.js'
import { readLeaves, treeOf } from './checkpoint-table.js'
import {
  consistencyRanges,
  Frontier,
  inclusionRanges,
  type Range,
  SUBTREE_LEAVES,
} from './merkle.js'
import type { Queryable } from './stream-reader.js'

/** That one event is a leaf of a signed tree. */
export interface InclusionProof {
  /** The event's place in the tenant's log, from 0. */
  readonly index: number
  /** The hash the leaf holds: the event's own. */
  readonly hash: Buffer
  /** RFC 9162 §2.1.3. */
  readonly proof: readonly Buffer[]
}

const SUBTREES_PAGE = 10_000

/**
 * Proves that the event at a position is covered by a checkpoint. Reads 256 hashes and a hash for each
 * 256 events before and after.
 *
 * @returns null when the checkpoint does not cover it.
 */
export async function proveInclusion(
  db: Queryable,
  checkpoint: StoredCheckpoint,
  position: number,
): Promise<InclusionProof | null> {
  if (position > checkpoint.position) return null
  const reader = new TreeReader(db, checkpoint)
  const place = await reader.placeOf(position)
  const leaves = await reader.leaves(place)
  const within = leaves.findIndex((leaf) => leaf.position === position)
  const hash = leaves[within]?.hash
  if (!hash) return null
  const index = place * SUBTREE_LEAVES + within
  const proof: Buffer[] = []
  for (const range of inclusionRanges(index, checkpoint.size)) proof.push(await reader.root(range))
  return { index, hash, proof }
}

/** Proves that a checkpoint's log begins with the log of `first` events (RFC 9162 §2.1.4). */
export async function proveConsistency(
  db: Queryable,
  first: number,
  checkpoint: StoredCheckpoint,
): Promise<Buffer[]> {
  const reader = new TreeReader(db, checkpoint)
  const proof: Buffer[] = []
  for (const range of consistencyRanges(first, checkpoint.size))
    proof.push(await reader.root(range))
  return proof
}

/** The tree of a checkpoint up to a position, to grow on: from the nearest checkpoint before it. */
export async function treeUpTo(
  db: Queryable,
  tenantId: string,
  nearest: StoredCheckpoint | null,
  position: number,
): Promise<Frontier> {
  const tree = treeOf(nearest) ?? Frontier.empty()
  let after = tree.size > 0 ? (nearest as StoredCheckpoint).position : 0
  for (;;) {
    const limit = SUBTREES_PAGE
    const leaves = await readLeaves(db, tenantId, { after, upTo: position, limit })
    for (const { hash } of leaves) tree.append(hash)
    if (leaves.length < limit) return tree
    after = leaves.at(-1)?.position as number
  }
}

/** Reads roots of parts of a tree, from the kept subtrees where a part is that large. */
class TreeReader {
  constructor(
    private readonly db: Queryable,
    private readonly checkpoint: StoredCheckpoint,
  ) {}

  /** Which subtree an event is in: the first that ends at or after it, or the one that is not full yet. */
  async placeOf(position: number): Promise<number> {
    const { tenantId, size } = this.checkpoint
    const { rows } = await this.db.query<{ place: string }>(
      `select place from audit_subtrees where tenant_id = $1 and last_position >= $2
        order by last_position limit 1`,
      [tenantId, position],
    )
    return rows[0] ? Number(rows[0].place) : Math.floor(size / SUBTREE_LEAVES)
  }

  /** The events of one subtree, as far as the checkpoint covers them. */
  async leaves(place: number): Promise<{ position: number; hash: Buffer }[]> {
    const { tenantId, size, position } = this.checkpoint
    const { rows } = await this.db.query<{ last_position: string }>(
      'select last_position from audit_subtrees where tenant_id = $1 and place = $2',
      [tenantId, place - 1],
    )
    const after = Number(rows[0]?.last_position ?? 0)
    const limit = Math.min(SUBTREE_LEAVES, size - place * SUBTREE_LEAVES)
    return readLeaves(this.db, tenantId, { after, upTo: position, limit })
  }

  /** A range of a proof is within one subtree, or begins where one begins. */
  async root({ from, to }: Range): Promise<Buffer> {
    const tree = Frontier.empty()
    const first = Math.floor(from / SUBTREE_LEAVES)
    const full = Math.floor(to / SUBTREE_LEAVES)
    if (from % SUBTREE_LEAVES === 0) {
      for (let place = first; place < full; place += SUBTREES_PAGE) {
        const upTo = Math.min(place + SUBTREES_PAGE, full)
        for (const root of await this.#subtrees(place, upTo))
          tree.appendSubtree(root, SUBTREE_LEAVES)
      }
    }
    const done = from + tree.size
    if (done === to) return tree.root()
    const place = Math.floor(done / SUBTREE_LEAVES)
    const offset = place * SUBTREE_LEAVES
    for (const { hash } of (await this.leaves(place)).slice(done - offset, to - offset)) {
      tree.append(hash)
    }
    return tree.root()
  }

  async #subtrees(from: number, to: number): Promise<Buffer[]> {
    const { rows } = await this.db.query<{ root: Buffer }>(
      `select root from audit_subtrees where tenant_id = $1 and place >= $2 and place < $3 order by place`,
      [this.checkpoint.tenantId, from, to],
    )
    return rows.map(({ root }) => root)
  }
}
