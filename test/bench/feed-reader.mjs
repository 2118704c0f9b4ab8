// The feed as a process of its own, with one subscriber: counts what comes and when, and whether anything
// came twice or before an earlier version of its stream.
import { FEED_HINTS, Feed } from '../../dist/libs/event-store/feed.js'
import { createPool } from '../../dist/libs/postgres/database.js'
import { HintListener } from '../../dist/libs/postgres/hint.js'
import { TENANT } from './blocks.mjs'
import { FOLLOWED, now } from './feed-writers.mjs'

const CAUGHT_UP_MS = 10_000

const { url } = JSON.parse(process.argv[2])
const reads = createPool(url, { max: 4 })
const feed = new Feed({ reads })
const listener = new HintListener(url, FEED_HINTS, () => feed.wake())
const versions = new Map()
const arrivals = []
let [seen, twice, disordered] = [0, 0, 0]
let position = 0

await listener.open()
feed.start()
await feed.caughtUp(CAUGHT_UP_MS)
const stopping = new AbortController()
const following = follow(feed.head)
process.send('ready')

async function follow(after) {
  position = after
  for await (const batch of feed.follow({ tenantId: TENANT, after, signal: stopping.signal })) {
    const at = now()
    for (const event of batch.events) take(event, at)
    position = batch.position
  }
}

function take({ streamId, version }, at) {
  const before = versions.get(streamId)
  if (before !== undefined && version <= before) twice += 1
  else if (before !== undefined && version !== before + 1) disordered += 1
  versions.set(streamId, version)
  seen += 1
  if (version % FOLLOWED === 0) arrivals.push([`${streamId} ${version}`, at])
}

process.on('message', async () => {
  await feed.caughtUp(CAUGHT_UP_MS)
  const end = now() + CAUGHT_UP_MS
  while (position < feed.head && now() < end) await new Promise((resolve) => setTimeout(resolve, 5))
  process.send({ seen, twice, disordered, arrivals })
})
process.on('disconnect', async () => {
  stopping.abort()
  await following
  await Promise.all([listener.close(), feed.close()])
  await reads.end()
  process.exit(0)
})
