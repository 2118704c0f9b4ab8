// Writers as a process of their own: told for how long, they answer with figures and with the times at
// which some of the commits were acknowledged.
import { FEED_HINT_MS, FEED_HINTS } from '../../dist/libs/event-store/feed.js'
import { GrowthHint } from '../../dist/libs/postgres/hint.js'
import { newBlock, openWriter, replacement, submit } from './blocks.mjs'
import { load } from './load.mjs'

/** One event in so many of a stream is followed to its subscriber. */
export const FOLLOWED = 16
const WARM_UP_MS_MAX = 500

/** Milliseconds of a clock that all processes of a machine share. */
export function now() {
  return Number(process.hrtime.bigint()) / 1e6
}

if (process.argv[1]?.endsWith('feed-writers.mjs')) await main(JSON.parse(process.argv[2]))

async function main({ url, hot, inFlight, hints }) {
  let hint = null
  const { writer, reads, close } = openWriter(url, { onCommit: () => hint?.send() })
  const blocks = []
  for (let n = 0; n < (hot ? 1 : inFlight); n++) blocks.push(await newBlock(writer, 2_000))
  if (hints) hint = new GrowthHint(reads, FEED_HINTS, FEED_HINT_MS)
  let commits = []
  let committed = 0
  const operation = async (worker) => {
    const { events } = await submit(writer, replacement(blocks[hot ? 0 : worker]))
    committed += events.length
    for (const { streamId, version } of events) {
      if (version % FOLLOWED === 0) commits.push([`${streamId} ${version}`, now()])
    }
  }
  process.on('message', async ({ ms }) => {
    await load(inFlight, Math.min(ms, WARM_UP_MS_MAX), operation)
    commits = []
    const figures = await load(inFlight, ms, operation)
    process.send({ ...figures, committed, commits })
  })
  process.on('disconnect', () => close().then(() => process.exit(0)))
  process.send('ready')
}
