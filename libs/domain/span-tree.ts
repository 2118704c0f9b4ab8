/**
 * Whose the stretches of a text are, as a balanced tree that is never changed: an edit makes the few
 * nodes on its way anew and shares the rest, so the owners at every version can be kept.
 */
export type SpanTree = Owned | Branch

/** A stretch of one owner, in code points. */
export interface Owned {
  readonly points: number
  readonly height: 0
  /** The event whose text it is. */
  readonly version: number
  /** The event since which it stands here: a later one where it was given back. */
  readonly since: number
}

interface Branch {
  readonly points: number
  readonly height: number
  readonly left: SpanTree
  readonly right: SpanTree
}

/** No text is null. */
export type Owners = SpanTree | null

export function owned(points: number, version: number, since = version): Owners {
  return points === 0 ? null : { points, height: 0, version, since }
}

export function pointsOf(owners: Owners): number {
  return owners === null ? 0 : owners.points
}

/** One behind the other. */
export function joined(left: Owners, right: Owners): Owners {
  if (left === null) return right
  return right === null ? left : join(left, right)
}

/** What lies before a code point, and what lies from it on. */
export function cut(owners: Owners, at: number): readonly [Owners, Owners] {
  if (owners === null || at <= 0) return [null, owners]
  if (at >= owners.points) return [owners, null]
  if (isOwned(owners)) {
    const { points, version, since } = owners
    return [owned(at, version, since), owned(points - at, version, since)]
  }
  const { left, right } = owners
  if (at <= left.points) {
    const [before, after] = cut(left, at)
    return [before, joined(after, right)]
  }
  const [before, after] = cut(right, at - left.points)
  return [joined(left, before), after]
}

/** With `count` code points from `offset` on replaced. Whatever lies beside them is shared. */
export function spliced(owners: Owners, offset: number, count: number, added: Owners): Owners {
  if (owners === null || (offset <= 0 && count >= owners.points && added === null)) return added
  if (isOwned(owners)) {
    const { points, version, since } = owners
    const before = owned(Math.min(offset, points), version, since)
    const after = owned(Math.max(0, points - offset - count), version, since)
    return joined(joined(before, added), after)
  }
  const { left, right } = owners
  const from = offset - left.points
  if (from >= 0) return joined(left, spliced(right, from, count, added))
  const rest = from + count
  if (rest <= 0) return joined(spliced(left, offset, count, added), right)
  return joined(spliced(left, offset, count - rest, added), spliced(right, 0, rest, null))
}

/** The stretch from `start` up to `end`, exclusive. */
export function stretch(owners: Owners, start: number, end: number): Owners {
  return cut(cut(owners, end)[0], start)[1]
}

/** Its stretches from left to right. */
export function stretches(owners: Owners): Owned[] {
  const found: Owned[] = []
  const open = owners === null ? [] : [owners]
  for (let next = open.pop(); next; next = open.pop()) {
    if (isOwned(next)) found.push(next)
    else open.push(next.right, next.left)
  }
  return found
}

/** The same owners, standing here since `version`. */
export function givenBack(owners: Owners, version: number): Owners {
  if (owners === null) return null
  if (isOwned(owners)) return owned(owners.points, owners.version, version)
  const left = givenBack(owners.left, version) as SpanTree
  return { ...owners, left, right: givenBack(owners.right, version) as SpanTree }
}

function isOwned(tree: SpanTree): tree is Owned {
  return tree.height === 0
}

function branch(left: SpanTree, right: SpanTree): Branch {
  const height = 1 + Math.max(left.height, right.height)
  return { points: left.points + right.points, height, left, right }
}

function join(left: SpanTree, right: SpanTree): SpanTree {
  if (left.height > right.height + 1) {
    const { left: first, right: rest } = left as Branch
    return balanced(first, join(rest, right))
  }
  if (right.height > left.height + 1) {
    const { left: rest, right: last } = right as Branch
    return balanced(join(left, rest), last)
  }
  return branch(left, right)
}

/** Of two whose heights differ by at most two. */
function balanced(left: SpanTree, right: SpanTree): SpanTree {
  if (left.height > right.height + 1) {
    const { left: a, right: b } = left as Branch
    if (a.height >= b.height) return branch(a, branch(b, right))
    const { left: c, right: d } = b as Branch
    return branch(branch(a, c), branch(d, right))
  }
  if (right.height > left.height + 1) {
    const { left: a, right: b } = right as Branch
    if (b.height >= a.height) return branch(branch(left, a), b)
    const { left: c, right: d } = a as Branch
    return branch(branch(left, c), branch(d, b))
  }
  return branch(left, right)
}
