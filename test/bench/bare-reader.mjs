// The least that a reader beside writers can cost: a prepared SELECT of the same columns by position, at the
// feed's pace under load, nothing decoded. No feed: it misses what commits behind a higher position.
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '../../dist/libs/postgres/database.js'
import { FOLLOWED, now } from './feed-writers.mjs'

const EVERY_MS = 12
const SELECT = {
  name: 'bare',
  text: `select position, stream_id, version, tenant_id, type, recorded_at, base_version, hash, actor,
                command_id, correlation, payload
           from events where position > $1 order by position limit 2000`,
  rowMode: 'array',
  types: { getTypeParser: () => (text) => text },
}

const { url } = JSON.parse(process.argv[2])
const reads = createPool(url, { max: 1 })
const newest = await reads.query('select coalesce(max(position), 0) as position from events')
let { position } = newest.rows[0]
const arrivals = []
let stopped = false
const reading = read()
process.send('ready')

async function read() {
  while (!stopped) {
    const { rows } = await reads.query({ ...SELECT, values: [position] })
    const at = now()
    for (const [, streamId, version] of rows) {
      if (version % FOLLOWED === 0) arrivals.push([`${streamId} ${version}`, at])
    }
    position = rows.at(-1)?.[0] ?? position
    await sleep(EVERY_MS)
  }
}

process.on('message', async () => {
  await sleep(4 * EVERY_MS)
  process.send({ arrivals })
})
process.on('disconnect', async () => {
  stopped = true
  await reading
  await reads.end()
  process.exit(0)
})
