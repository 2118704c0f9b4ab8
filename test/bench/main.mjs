// npm run bench [-- --seconds 2 --rounds 3 --only hot,distinct]
// Interleaved rounds on one real Postgres; every figure is a ratio to the raw one-row INSERT of the same
// round at the same number in flight. Medians of the rounds; the table, and the same as JSON.
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { load, median } from './load.mjs'
import { startServer } from './server.mjs'
import * as writes from './writes.mjs'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    json: { type: 'string', default: 'bench.json' },
  },
})
const ms = Number(options.seconds) * 1000
const only = options.only.split(',').filter(Boolean)

const ours = (hot) => writes.append({ hot, withIds: false })
const GROUPS = {
  single: { inFlight: [1], rows: { distinct: ours(false), hot: ours(true) } },
  distinct: {
    inFlight: [32, 128],
    rows: {
      distinct: ours(false),
      'distinct, with ids': writes.append({ hot: false, withIds: true }),
    },
  },
  hot: {
    inFlight: [8, 32, 128, 512],
    rows: { hot: ours(true), 'hot, with ids': writes.append({ hot: true, withIds: true }) },
  },
  rivals: {
    inFlight: [32],
    rows: {
      hot: ours(true),
      'row lock': writes.rowLock,
      'last write wins': writes.lastWriteWins,
      'compare and set': writes.compareAndSet,
    },
  },
  long: {
    inFlight: [8],
    rows: {
      'append 100 B to 1 MB': writes.appendToLong(1_000_000),
      'rewrite 1 MB': writes.rewriteLong(1_000_000),
    },
  },
}

const server = await startServer()
console.log(
  `profile ${server.profile} · ${availableParallelism()} cores · Node ${process.version} · ${options.rounds} rounds of ${options.seconds} s\n`,
)
const results = []
try {
  for (const [group, { inFlight, rows }] of Object.entries(GROUPS)) {
    if (only.length > 0 && !only.includes(group)) continue
    for (const count of inFlight) results.push(...(await measure(group, count, rows)))
  }
} finally {
  await server.stop()
}
writeFileSync(
  options.json,
  JSON.stringify({ profile: server.profile, node: process.version, results }, null, 2),
)
console.log(`\nwritten to ${options.json}`)

/** All rows of a group in turn, round after round, so that a slow minute slows all of them. */
async function measure(group, inFlight, rows) {
  const makers = { 'raw insert': writes.rawInsert, ...rows }
  const rounds = Object.fromEntries(Object.keys(makers).map((name) => [name, []]))
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [name, make] of Object.entries(makers)) {
      const maker = await make(server.url, inFlight)
      await load(inFlight, Math.min(ms, 500), maker.operation)
      rounds[name].push(await load(inFlight, ms, maker.operation))
      await maker.close()
    }
  }
  const raw = rounds['raw insert']
  return Object.entries(rounds).map(([name, all]) => {
    const of = (field) => median(all.map((r) => r[field]))
    const row = {
      group,
      inFlight,
      name,
      perSecond: Math.round(of('perSecond')),
      p50: of('p50'),
      p99: of('p99'),
      ratio: median(all.map((r, i) => r.perSecond / raw[i].perSecond)),
      p50Ratio: median(all.map((r, i) => r.p50 / raw[i].p50)),
      failed: all.reduce((sum, r) => sum + r.failed, 0),
    }
    print(row)
    return row
  })
}

function print(row) {
  const cells = [
    row.group.padEnd(9),
    String(row.inFlight).padStart(4),
    row.name.padEnd(24),
    String(row.perSecond).padStart(8),
    `×${row.ratio.toFixed(2)}`.padStart(8),
    `p50 ${row.p50.toFixed(2)} ms (×${row.p50Ratio.toFixed(2)})`.padStart(24),
    `p99 ${row.p99.toFixed(1)} ms`.padStart(14),
    row.failed > 0 ? `${row.failed} failed` : '',
  ]
  console.log(cells.join(' '))
}
