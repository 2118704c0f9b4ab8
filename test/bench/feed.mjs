// How long after its commit an event reaches a subscriber in another process, and what that costs the
// writers: the same writers without a feed and, in the same round, with one, and with a reader that does the
// least a reader can. All are processes of their own, wired as the services are: a hint when the log begins
// to grow, a poller that also listens for it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { spread } from './load.mjs'

export async function feed(bench) {
  await beside(bench, { hot: true, inFlight: 128 })
  await beside(bench, { hot: false, inFlight: 32 })
}

async function beside(bench, { hot, inFlight }) {
  const [alone, bare, together] = ['no feed', 'with a bare reader', 'with feed'].map(
    (s) => `${hot ? 'hot' : 'distinct'}, ${s}`,
  )
  await bench.compare({
    inFlight,
    arms: {
      [alone]: ({ url }) => writersIn(url, { hot, inFlight, hints: false }),
      [bare]: ({ url }) => writersBesideBareReader(url, { hot, inFlight }),
      [together]: ({ url }) => writersBesideFeed(url, { hot, inFlight }),
    },
    more: (of) => ({ [bare]: costOf(of, bare, alone), [together]: costOf(of, together, alone) }),
  })
}

function costOf(of, together, alone) {
  return { cost: 1 - of[together].perSecond / of[alone].perSecond }
}

async function writersIn(url, options) {
  const writers = await start('feed-writers.mjs', { url, ...options })
  return {
    async measure(ms) {
      const { commits: _, ...figures } = await ask(writers, { ms })
      return figures
    },
    close: () => stop(writers),
  }
}

async function writersBesideBareReader(url, options) {
  const writers = await start('feed-writers.mjs', { url, ...options, hints: false })
  const reader = await start('bare-reader.mjs', { url })
  return {
    async measure(ms) {
      const { commits, committed: _, ...figures } = await ask(writers, { ms })
      const { arrivals } = await ask(reader, { ms: 0 })
      return { ...figures, ...arrival(commits, arrivals) }
    },
    close: () => Promise.all([stop(writers), stop(reader)]),
  }
}

async function writersBesideFeed(url, options) {
  const writers = await start('feed-writers.mjs', { url, ...options, hints: true })
  const reader = await start('feed-reader.mjs', { url })
  return {
    async measure(ms) {
      const { commits, committed, ...figures } = await ask(writers, { ms })
      const { arrivals, seen, twice, disordered } = await ask(reader, { ms: 0 })
      const missed = committed - seen
      return { ...figures, committed, missed, twice, disordered, ...arrival(commits, arrivals) }
    },
    close: () => Promise.all([stop(writers), stop(reader)]),
  }
}

/** From the acknowledged commit to the subscriber. */
function arrival(commits, arrivals) {
  const arrived = new Map(arrivals)
  const latencies = commits.flatMap(([event, at]) => {
    const seenAt = arrived.get(event)
    return seenAt === undefined ? [] : [seenAt - at]
  })
  const { p50: feedP50, p99: feedP99 } = spread(latencies)
  return { feedP50, feedP99 }
}

/** @returns the process, once it is ready. */
async function start(file, options) {
  const child = fork(new URL(file, import.meta.url), [JSON.stringify(options)])
  await once(child, 'message')
  return child
}

async function ask(child, what) {
  child.send(what)
  const [answer] = await once(child, 'message')
  return answer
}

async function stop(child) {
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
}
