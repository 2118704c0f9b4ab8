import { randomInt } from 'node:crypto'

/** Numbers that look random and come again with the same seed. */
export interface Seeded {
  readonly seed: number
  /** From 0 up to, but not including, 1. */
  (): number
}

const SEEDS = 2 ** 31

/** Mulberry32: small, and good enough to choose moments by. */
export function seeded(seed: number): Seeded {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return Object.assign(next, { seed })
}

/** A whole number from 0 up to, but not including, `below`. */
export function pick(random: Seeded, below: number): number {
  return Math.floor(random() * below)
}

/** TORTURE_SEED, else a new one. The schedule of a run follows from it, the timing of the machine does not. */
export function tortureSeed(): number {
  return Number(process.env['TORTURE_SEED'] ?? randomInt(SEEDS))
}

/** Runs a round; a failure says with which seed. */
export async function withSeed<T>(seed: number, round: (random: Seeded) => Promise<T>): Promise<T> {
  try {
    return await round(seeded(seed))
  } catch (error) {
    throw new Error(`with TORTURE_SEED=${seed}: ${(error as Error).message}`, { cause: error })
  }
}
