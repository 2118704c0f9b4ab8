// Numbers that look random and come again with the same seed.

/**
 * @typedef {(() => number) & { readonly seed: number }} Seeded from 0 up to, but not including, 1
 */

/**
 * Mulberry32: small, and good enough to choose moments by.
 *
 * @param {number} seed
 * @returns {Seeded}
 */
export function seeded(seed) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return Object.assign(next, { seed })
}

/**
 * A whole number from 0 up to, but not including, `below`.
 *
 * @param {Seeded} random
 * @param {number} below
 */
export function pick(random, below) {
  return Math.floor(random() * below)
}

/**
 * One of them.
 *
 * @template T
 * @param {Seeded} random
 * @param {readonly T[]} choices not empty
 * @returns {T}
 */
export function oneOf(random, choices) {
  return /** @type {T} */ (choices[pick(random, choices.length)])
}
