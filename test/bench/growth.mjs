// What an append costs when the log has 10⁵, 10⁶ and 10⁷ events: on blocks all over it that were not
// written for long, and on its largest one, which holds a tenth of all events.
import { openWriter, replacement, submit } from './blocks.mjs'
import { History } from './history.mjs'
import { ownerPool } from './raw-insert.mjs'
import { random } from './words.mjs'

const STREAMS = 100_000
/** So many old blocks are written in turn: each append comes to another place of every index. */
const OLD_BLOCKS = 2_048
const PREPARED_AT_ONCE = 32
const NUMBERS_IN_FLIGHT = [1, 32]

export async function growth(bench) {
  const sizes = bench.full ? [1e5, 1e6, 1e7] : [1e5, 1e6]
  const streams = bench.quick ? STREAMS / 10 : STREAMS
  if (bench.quick) sizes.splice(0, sizes.length, 1e4, 1e5)
  const owner = ownerPool(bench.url)
  try {
    const history = new History(owner)
    const ids = await history.create(streams)
    const largest = ids.pop()
    const old = Array.from({ length: OLD_BLOCKS }, () => ids[random(ids.length)])
    const first = new Map()
    const filled = { each: 1, largest: 1 }
    for (const size of sizes) {
      // While it is filled the server's own log may be recycled: it lies in the same memory as the data.
      await bench.server.set('max_wal_size', '1GB')
      const begun = performance.now()
      const wanted = { each: Math.round((size * 0.9) / streams), largest: size / 10 }
      if (wanted.each > filled.each) await history.extend(wanted.each - filled.each, ids)
      await history.extend(wanted.largest - filled.largest, [largest])
      Object.assign(filled, wanted)
      await history.verify(old.slice(0, 2))
      await history.takeSnapshots(largest)
      await owner.query('vacuum analyze events, streams, snapshots')
      // On a server that is not ours the login may not ask for one.
      await owner.query('checkpoint').catch(() => {})
      await bench.server.set('max_wal_size', '8GB')
      const seconds = (performance.now() - begun) / 1000
      const events = (await history.events()).toLocaleString('en')
      bench.report.remark(
        `${events} events on ${streams} blocks, after ${seconds.toFixed(0)} s more`,
      )
      await measureAt(bench, size, { old, largest }, first)
    }
  } finally {
    await owner.end()
  }
}

/** @param first the cost at the first size, by arm and number in flight: raw time against ours. */
async function measureAt(bench, size, { old, largest }, first) {
  const at = (name) => `${size.toLocaleString('en')} events: ${name}`
  for (const inFlight of NUMBERS_IN_FLIGHT) {
    const rows = await bench.measure({
      inFlight,
      arms: {
        [at('old blocks, with ids')]: onOld(old),
        [at('the largest block, with ids')]: onOne(largest),
      },
    })
    for (const row of rows) {
      const key = `${row.name.split(': ')[1] ?? row.name} ${inFlight}`
      if (!first.has(key)) first.set(key, row.ratio)
      else if (row.name.includes(':')) row.costGrowth = first.get(key) / row.ratio
      bench.add(row)
    }
  }
}

/** Each has been read before it is measured: the cost of reading a block is not that of appending to it. */
function onOld(blocks) {
  return async ({ url, inFlight }) => {
    const { writer, close } = openWriter(url)
    const shares = Array.from({ length: inFlight }, (_, worker) =>
      [...new Set(blocks)].filter((__, n) => n % inFlight === worker),
    )
    const all = shares.flat()
    await Promise.all(
      Array.from({ length: PREPARED_AT_ONCE }, async (_, lane) => {
        for (let n = lane; n < all.length; n += PREPARED_AT_ONCE)
          await submit(writer, replacement(all[n]))
      }),
    )
    return {
      operation: (worker, n) => {
        const share = shares[worker]
        return submit(writer, replacement(share[n % share.length], { withIds: true }))
      },
      close,
    }
  }
}

function onOne(blockId) {
  return async ({ url }) => {
    const { writer, close } = openWriter(url)
    await submit(writer, replacement(blockId))
    return {
      operation: () => submit(writer, replacement(blockId, { withIds: true })),
      close,
    }
  }
}
