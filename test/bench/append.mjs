// One edit of 100 characters on blocks of 2 KB, each on a block of its own or all on one.
import { newBlock, openWriter, replacement, submit } from './blocks.mjs'

const LENGTH = 2_000
const ROWS = {
  distinct: append({ hot: false, withIds: false }),
  'distinct, with ids': append({ hot: false, withIds: true }),
  hot: append({ hot: true, withIds: false }),
  'hot, with ids': append({ hot: true, withIds: true }),
}

/** One unit at a time. */
export function single(bench) {
  return bench.compare({ inFlight: 1, arms: ROWS })
}

export async function distinct(bench) {
  const arms = pick('distinct', 'distinct, with ids')
  for (const inFlight of [8, 32, 128, 512]) await bench.compare({ inFlight, arms })
}

export async function hot(bench) {
  const arms = pick('hot', 'hot, with ids')
  for (const inFlight of [8, 32, 128, 512]) await bench.compare({ inFlight, arms })
}

/** Ours, through the real writer: full events, chain, results. `withIds`: each has a caller's id. */
export function append({ hot, withIds }) {
  return async ({ url, inFlight }) => {
    const { writer, close } = openWriter(url)
    const blocks = []
    for (let n = 0; n < (hot ? 1 : inFlight); n++) blocks.push(await newBlock(writer, LENGTH))
    return {
      operation: (worker) => submit(writer, replacement(blocks[hot ? 0 : worker], { withIds })),
      close,
    }
  }
}

function pick(...names) {
  return Object.fromEntries(names.map((name) => [name, ROWS[name]]))
}
