import { setTimeout as moment } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import pg from 'pg'
import type { Ledger } from './ledger.js'
import { pick, type Seeded } from './seeded.js'
import { type Habit, type Hosts, WriteLoad } from './write-load.js'
import { WriterHost } from './writer-host.js'

/** A server that can be ended without warning, and started on what is then on its disk. */
export interface MortalServer {
  readonly url: string
  /** @param atOnce what happens in the same instant. */
  kill(atOnce: () => void): Promise<void>
  restart(): Promise<void>
}

export interface KillRound {
  readonly random: Seeded
  readonly habit: Habit
  /** Whether the processes that write end in the same instant, or live on and settle by themselves. */
  readonly writersDie: boolean
  /** How often the server is killed. */
  readonly kills: number
  /** Whether some of the kills may come into the middle of a checkpoint. Default true. */
  readonly checkpoints?: boolean
  /** False: the load ends with the kill, because what it builds on may be lost. Default true. */
  readonly goesOn?: boolean
}

export interface RoundReport {
  /** Units that were sent again after the restart and did not get their first answer. */
  readonly unlike: number
}

const HOSTS = 3
const CLIENTS = 24
/** Share of the units with an id that are sent to two writers at once. */
const IMPATIENCE = 0.1
/** So many units are acknowledged before the kill, and a few milliseconds pass: both by the seed. */
const UNITS_MIN = 200
const UNITS_SPREAD = 1_000
const MOMENT_MS_MAX = 12
const CHECKPOINT_SHARE = 0.3
/** Units acknowledged after the last restart. */
const UNITS_AFTER = 100
const AGAIN_MAX = 40

/** Clients write, the server is killed under them, started again, and they go on. */
export async function killRound(
  server: MortalServer,
  ledger: Ledger,
  round: KillRound,
): Promise<RoundReport> {
  const hosts = new Generations(server.url, round.random)
  try {
    return await play(server, ledger, hosts, round)
  } finally {
    hosts.end()
  }
}

async function play(
  server: MortalServer,
  ledger: Ledger,
  hosts: Generations,
  { random, habit, writersDie, kills, checkpoints = true, goesOn = true }: KillRound,
): Promise<RoundReport> {
  const load = new WriteLoad(ledger, hosts, {
    random,
    clients: CLIENTS,
    habit,
    impatience: IMPATIENCE,
  })
  await load.start()
  for (let kill = 0; kill < kills; kill++) {
    const first = kill === 0
    if (first) await load.more(UNITS_MIN / 2)
    if (first && checkpoints && random() < CHECKPOINT_SHARE) checkpoint(server.url)
    if (first) await load.more(UNITS_MIN / 2 + pick(random, UNITS_SPREAD))
    await moment(random() * MOMENT_MS_MAX)
    await server.kill(() => {
      hosts.cut(writersDie)
      if (!goesOn) load.giveUp()
    })
    await server.restart()
    hosts.resume()
  }
  if (goesOn) await load.more(UNITS_AFTER)
  await load.stop()
  const unlike = goesOn ? await sendAgain(hosts, load) : 0
  await hosts.close()
  return { unlike }
}

/** What was acknowledged before is asked for once more: the first answer must come back. */
async function sendAgain(hosts: Generations, load: WriteLoad): Promise<number> {
  const host = await hosts.pick()
  let unlike = 0
  let sent = 0
  for (const [work, versions] of load.ledger.newestWithIds()) {
    if (sent++ === AGAIN_MAX) break
    const verdict = await host.submit(load.unit(work))
    const same = verdict?.status === 'ok' && verdict.replayed
    if (!same || !isDeepStrictEqual(verdict.result, versions)) unlike += 1
  }
  return unlike
}

/** Begun and not waited for: the kill may come into the middle of it. */
function checkpoint(url: string): void {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  const done = client.connect().then(() => client.query('checkpoint'))
  done.catch(() => {}).finally(() => client.end().catch(() => {}))
}

/** Writers of one generation live until they die together; the next begins with the server's restart. */
class Generations implements Hosts {
  #hosts: WriterHost[] = []
  #back: Promise<void> = Promise.resolve()
  #resume: () => void = () => {}

  constructor(
    private readonly url: string,
    private readonly random: Seeded,
  ) {
    this.#open()
  }

  async pick(): Promise<WriterHost> {
    if (this.#hosts.length === 0) await this.#back
    return this.#hosts[pick(this.random, this.#hosts.length)] as WriterHost
  }

  back(): Promise<void> {
    return this.#back
  }

  /** The database is gone from now on, and with it perhaps whoever writes. */
  cut(writersDie: boolean): void {
    this.#back = new Promise((resolve) => {
      this.#resume = resolve
    })
    if (!writersDie) return
    for (const host of this.#hosts) host.die()
    this.#hosts = []
  }

  resume(): void {
    if (this.#hosts.length === 0) this.#open()
    this.#resume()
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.close()))
  }

  /** Whatever became of the round. */
  end(): void {
    for (const host of this.#hosts) host.die()
  }

  #open(): void {
    this.#hosts = Array.from({ length: HOSTS }, () => new WriterHost(this.url))
  }
}
