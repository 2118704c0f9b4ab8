// npm run bench [-- --quick] [--only hot,replay] [--seconds 2] [--rounds 3] [--full] [--strict] [--json file]
// What a write costs, against the raw one-row INSERT of the same round, and what reading costs: on one real
// Postgres, in interleaved rounds. How to read it: docs/benchmarks.md.
import { parseArgs } from 'node:util'
import { distinct, hot, single } from './append.mjs'
import { blame } from './blame.mjs'
import { emmett } from './emmett.mjs'
import { feed } from './feed.mjs'
import { growth } from './growth.mjs'
import { lockedStream } from './locked-stream.mjs'
import { replay } from './replay.mjs'
import { Report } from './report.mjs'
import { rivals } from './rivals.mjs'
import { interleave, rowsOf } from './rounds.mjs'
import { startServer } from './server.mjs'
import { sizes } from './sizes.mjs'
import { turns } from './turns.mjs'

const ROOMS = {
  single,
  distinct,
  hot,
  rivals,
  emmett,
  sizes,
  'locked-stream': lockedStream,
  replay,
  blame,
  feed,
  growth,
  turns,
}
const GB = 2 ** 30

const { values: given } = parseArgs({
  options: {
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    only: { type: 'string', default: '' },
    json: { type: 'string', default: 'bench.json' },
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
  },
})
const { quick, full } = given
const ms = Number(given.seconds ?? (quick ? 0.5 : 2)) * 1000
const rounds = Number(given.rounds ?? (quick ? 1 : 3))
const only = given.only.split(',').filter(Boolean)
const groups = Object.keys(ROOMS).filter((name) => only.length === 0 || only.includes(name))
const unknown = only.filter((name) => !Object.hasOwn(ROOMS, name))
if (unknown.length > 0 || !(ms > 0) || !(rounds >= 1)) {
  console.error(`--only takes ${Object.keys(ROOMS).join(',')}; --seconds and --rounds take numbers`)
  process.exit(2)
}

const report = new Report()
const server = await startServer((full && groups.includes('growth') ? 14 : 4) * GB)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => server.stop().finally(() => process.exit(130)))
}
try {
  const machine = await server.machine()
  console.log(
    `${machine.profile} · ${machine.cores} cores · Node ${machine.node} · Postgres ${machine.postgres}`,
  )
  console.log(
    Object.entries(machine.settings)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · '),
  )
  console.log(
    `${rounds} rounds of ${ms / 1000} s, medians; × is against the raw insert of the round`,
  )
  for (const group of groups) await run(group)
  report.write(given.json, { at: new Date().toISOString(), machine, rounds, ms, quick, full })
} finally {
  await server.stop()
}
const reached = report.summary()
console.log(`\nwritten to ${given.json}`)
if (given.strict && !reached) process.exitCode = 1

async function run(group) {
  report.group(group)
  const { url, drop } = await server.database()
  /** The arms of one number in flight, beside the raw insert: a row for each. */
  const measure = async ({ inFlight, arms, more, named = (name) => name, ...other }) => {
    const measured = await interleave({ url, inFlight, ms, rounds, arms, ...other })
    return rowsOf(measured, more).map((row) => ({ ...row, name: named(row.name), inFlight }))
  }
  try {
    await ROOMS[group]({
      server,
      url,
      ms,
      rounds,
      quick,
      full,
      report,
      add: (row) => report.add({ group, ...row }),
      measure,
      /** Measured and told. */
      async compare(arms) {
        for (const row of await measure(arms)) report.add({ group, ...row })
      },
    })
  } finally {
    await drop()
  }
}
