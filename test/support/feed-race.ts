import type { Feed } from '#event-store/feed.js'
import { faultsOf, type Load, type Read, rawStreams, runLoad, wholeLog } from './feed-load.js'
import { insertion, type TestLog, tenantId } from './log.js'
import { NaiveFeed, XidOrderFeed } from './wrong-feeds.js'

export type Faults = ReturnType<typeof faultsOf>

/** What each reader made of one load. */
export interface RaceResult {
  readonly events: number
  readonly naive: Faults
  readonly xidOrder: Faults
  /** One that stood at the head throughout. */
  readonly steady: Faults
  /** One that was killed at random and resumed from its last event. */
  readonly killed: Faults
  readonly kills: number
}

const KILL_SHARE = 0.2
/** What the control arms look at: their faults show soon, and they grow slow with the log. */
const CONTROL_EVENTS = 3_000
const BLOCKS = 4
/** Units of one real writer at once. */
const UNITS = 8

/**
 * Raw transactions with pauses and rollbacks and the real writer on one log, and beside them readers by
 * the certified feed and, as control arms, two that must fail.
 */
export async function race(
  log: TestLog,
  feed: Feed,
  load: Omit<Load, 'streams'> & { readonly units: number },
): Promise<RaceResult> {
  const ended = new AbortController()
  const wrong = { naive: new NaiveFeed(log.reads), xidOrder: new XidOrderFeed(log.reads) }
  const seen = { naive: [] as Read[], xidOrder: [] as Read[] }
  const poll = async (name: keyof typeof wrong): Promise<void> => {
    while (!ended.signal.aborted && seen[name].length < CONTROL_EVENTS) {
      seen[name].push(...(await wrong[name].poll()))
    }
  }
  const readers = Promise.all([
    poll('naive'),
    poll('xidOrder'),
    follow(feed, ended.signal),
    followKilled(feed, ended.signal),
  ])
  const streams = await rawStreams(log.reads, load.writers)
  await Promise.all([
    runLoad(log.url, { ...load, streams }),
    realWriter(log, load.units / 2),
    realWriter(log, load.units / 2),
  ])
  ended.abort()
  const [, , steady, killed] = await readers
  const whole = await wholeLog(log.reads)
  const newest = seen.naive.at(-1)?.position ?? 0
  return {
    events: whole.length,
    naive: faultsOf(
      seen.naive,
      whole.filter(({ position }) => position <= newest),
    ),
    xidOrder: faultsOf(seen.xidOrder, []),
    steady: faultsOf(steady, whole),
    killed: faultsOf(killed.seen, whole),
    kills: killed.kills,
  }
}

async function realWriter(log: TestLog, units: number): Promise<void> {
  const writer = log.openWriter()
  const blocks = await Promise.all(Array.from({ length: BLOCKS }, () => log.createBlock(writer)))
  let left = units
  const client = async (): Promise<void> => {
    while (left-- > 0) await writer.submit(insertion(blocks[left % BLOCKS] as string, 'x'))
  }
  await Promise.all(Array.from({ length: UNITS }, client))
  await writer.close()
}

/** Reads until the writers have ended and everything they have committed is certain. */
async function follow(feed: Feed, ended: AbortSignal): Promise<Read[]> {
  const seen: Read[] = []
  const stop = new AbortController()
  const last = endOf(feed, ended)
  last.catch((error) => stop.abort(error))
  const options = { tenantId, after: 0, signal: stop.signal, idleMs: 20 }
  for await (const batch of feed.follow(options)) {
    seen.push(...batch.events)
    if (ended.aborted && batch.position >= (await last)) break
  }
  return seen
}

async function followKilled(
  feed: Feed,
  ended: AbortSignal,
): Promise<{ seen: Read[]; kills: number }> {
  const seen: Read[] = []
  const last = endOf(feed, ended)
  let kills = 0
  for (let after = 0, done = false; !done; kills++) {
    const life = new AbortController()
    const options = {
      tenantId,
      after,
      signal: life.signal,
      idleMs: 20,
      bufferMax: 50,
      windowMax: 20,
    }
    for await (const batch of feed.follow(options)) {
      // Dies in the middle of a batch: the rest of it comes again.
      const dies = Math.random() < KILL_SHARE
      const handled = dies ? Math.floor(Math.random() * batch.events.length) : batch.events.length
      seen.push(...batch.events.slice(0, handled))
      after = dies ? (batch.events[handled - 1]?.position ?? after) : batch.position
      done = !dies && ended.aborted && batch.position >= (await last)
      if (dies || done) break
    }
    life.abort()
  }
  return { seen, kills }
}

async function endOf(feed: Feed, ended: AbortSignal): Promise<number> {
  if (!ended.aborted) {
    await new Promise((resolve) => ended.addEventListener('abort', resolve, { once: true }))
  }
  while (!(await feed.caughtUp(1_000)));
  return feed.head
}
