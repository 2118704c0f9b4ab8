import { randomInt } from 'node:crypto'
import { pick, type Seeded, seeded } from '../judge/random.mjs'

export { pick, type Seeded, seeded }

const SEEDS = 2 ** 31

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
