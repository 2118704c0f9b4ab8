// One block of a million events: folded from its first event and verified, each in a process of its own,
// and read at any version through the product's own reader, with the snapshots the writer would have taken.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createPool } from '../../dist/libs/postgres/database.js'
import { blockAtVersion, versionAt } from '../../dist/libs/read-models/block-at.js'
import { TENANT } from './blocks.mjs'
import { History } from './history.mjs'
import { median, spread } from './load.mjs'
import { ownerPool } from './raw-insert.mjs'
import { random } from './words.mjs'

const READS = 500
const READS_BY_TIME_MS = 5_000

export async function replay(bench) {
  const events = bench.quick ? 100_000 : 1_000_000
  const many = events.toLocaleString('en')
  const owner = ownerPool(bench.url)
  const reads = createPool(bench.url, { max: 2 })
  try {
    const history = new History(owner)
    const [blockId, sample] = await history.create(2)
    await history.extend(PAST, [sample])
    await history.verify([sample])
    const begun = performance.now()
    await history.extend(events - 1, [blockId])
    const seconds = (performance.now() - begun) / 1000
    await owner.query('vacuum analyze events')
    bench.report.remark(`${many} events loaded in ${seconds.toFixed(0)} s`)
    await readAll(bench, `replay ${many} events`, events, ['./replay-child.mjs', blockId])
    await readAll(bench, `verify ${many} events`, events + PAST + 1, ['./verify-child.mjs'])
    await history.takeSnapshots(blockId)
    await readAnywhere(bench, reads, blockId, events)
  } finally {
    await Promise.all([owner.end(), reads.end()])
  }
}

const PAST = 1_000

/** In a process of its own for each round. */
async function readAll(bench, name, events, [file, ...rest]) {
  const figures = []
  for (let round = 0; round < bench.rounds; round++) {
    figures.push(await inChild(file, [bench.url, ...rest]))
  }
  const of = (figure) => median(figures.map((one) => one[figure]))
  const [seconds, rssMb] = [of('seconds'), of('rssMb')]
  bench.add({ name, perSecond: events / seconds, seconds, rssMb })
}

async function inChild(file, args) {
  const child = fork(new URL(file, import.meta.url), args)
  const [figures] = await once(child, 'message')
  await once(child, 'exit')
  return figures
}

/** One at a time. */
async function readAnywhere(bench, reads, blockId, events) {
  const many = events.toLocaleString('en')
  const anyVersion = () => 1 + random(events)
  await time(5, () => blockAtVersion(reads, TENANT, blockId, anyVersion()))
  bench.add({
    name: `any version of ${many}`,
    ...(await time(READS, () => blockAtVersion(reads, TENANT, blockId, anyVersion()))),
  })
  const { rows } = await reads.query(
    'select min(recorded_at) as first, max(recorded_at) as last from events where stream_id = $1',
    [blockId],
  )
  const { first, last } = rows[0]
  bench.add({
    name: `the version at any time, of ${many}`,
    ...(await time(READS, () => {
      const at = new Date(first.getTime() + random(1_000_000) * ((last - first) / 1_000_000))
      return versionAt(reads, TENANT, blockId, at)
    })),
  })
}

/** So many times, or as often as fits. */
async function time(times, operation) {
  const latencies = []
  const begun = performance.now()
  for (let n = 0; n < times && performance.now() - begun < READS_BY_TIME_MS; n++) {
    const started = performance.now()
    if ((await operation()) === null) throw new Error('there is no such block')
    latencies.push(performance.now() - started)
  }
  const seconds = (performance.now() - begun) / 1000
  return { perSecond: latencies.length / seconds, ...spread(latencies) }
}
