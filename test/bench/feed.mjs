// How long after its commit an event reaches a subscriber in another process, and what that costs the
// writers: the same writers without a feed and, in the same round, with one. Both are processes of their
// own, wired as the services are: a throttled hint after commits, a poller that also listens for it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { spread } from './load.mjs'

export async function feed(bench) {
  await beside(bench, { hot: true, inFlight: 128 })
  await beside(bench, { hot: false, inFlight: 32 })
}

async function beside(bench, { hot, inFlight }) {
  const [alone, together] = ['no feed', 'with feed'].map((s) => `${hot ? 'hot' : 'distinct'}, ${s}`)
  await bench.compare({
    inFlight,
    arms: {
      [alone]: ({ url }) => writersIn(url, { hot, inFlight, hints: false }),
      [together]: ({ url }) => writersBesideFeed(url, { hot, inFlight }),
    },
    more: (of) => ({ [together]: { cost: 1 - of[together].perSecond / of[alone].perSecond } }),
  })
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

async function writersBesideFeed(url, options) {
  const writers = await start('feed-writers.mjs', { url, ...options, hints: true })
  const reader = await start('feed-reader.mjs', { url })
  return {
    async measure(ms) {
      const { commits, committed, ...figures } = await ask(writers, { ms })
      const { arrivals, seen, twice, disordered } = await ask(reader, { ms: 0 })
      const arrived = new Map(arrivals)
      const latencies = commits.map(([event, at]) => arrived.get(event) - at)
      const { p50: feedP50, p99: feedP99 } = spread(latencies)
      return {
        ...figures,
        committed,
        missed: committed - seen,
        twice,
        disordered,
        feedP50,
        feedP99,
      }
    },
    close: () => Promise.all([stop(writers), stop(reader)]),
  }
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
