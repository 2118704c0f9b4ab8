import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createPool } from '#postgres/database.js'
import { killRound } from '../support/kill-round.js'
import { type Differences, Ledger, NO_DIFFERENCES } from '../support/ledger.js'
import { PowerCuts, type Settings } from '../support/power-cut.js'
import { tortureSeed, withSeed } from '../support/seeded.js'

/** POWER_CUTS sets the number of cuts of the arm that must lose nothing. */
const CUTS = Number(process.env['POWER_CUTS'] ?? 6)
const CONTROL_CUTS = Math.max(2, Math.round(CUTS / 5))
const CUT_MS_MAX = 60_000
/** By default the log is flushed every 200 ms, in which a round may have come and gone. */
const LATE: Settings = { synchronous_commit: 'off', wal_writer_delay: '20ms' }
const SEED = tortureSeed()
/** The shim is preloaded, and looks under /proc. */
const suite = process.platform === 'linux' ? describe : describe.skip

suite('a power cut: of the write-ahead log only what was synced is left', () => {
  let cuts: PowerCuts

  beforeAll(async () => {
    cuts = await PowerCuts.open()
  })

  afterAll(() => cuts.close())

  it(
    `synchronous_commit=on: nothing acknowledged is lost in ${CUTS} cuts`,
    async () => {
      const { acknowledged, found, unlike } = await arm('on', CUTS, { synchronous_commit: 'on' })
      expect(found).toEqual(found.map(() => NO_DIFFERENCES))
      expect(unlike).toBe(0)
      expect(acknowledged).toBeGreaterThan(CUTS * 100)
    },
    CUTS * CUT_MS_MAX,
  )

  it(
    'control, synchronous_commit=off: the newest are lost, and what is left is whole',
    async () => {
      const { found } = await arm('off', CONTROL_CUTS, LATE)
      expect(sum(found, 'lost')).toBeGreaterThan(0)
      expect(found.map((one) => ({ ...one, lost: 0 }))).toEqual(found.map(() => NO_DIFFERENCES))
    },
    CONTROL_CUTS * CUT_MS_MAX,
  )

  it(
    'control, fsync=off: everything is lost',
    async () => {
      const { acknowledged, found } = await arm('fsync off', CONTROL_CUTS, { fsync: 'off' })
      expect(acknowledged).toBeGreaterThan(0)
      expect(sum(found, 'lost')).toBe(acknowledged)
    },
    CONTROL_CUTS * CUT_MS_MAX,
  )

  async function arm(
    name: string,
    times: number,
    settings: Settings,
  ): Promise<{ acknowledged: number; found: Differences[]; unlike: number }> {
    const found: Differences[] = []
    let acknowledged = 0
    let unlike = 0
    for (let cut = 0; cut < times; cut++) {
      await withSeed(SEED + cut, async (random) => {
        const server = await cuts.server(settings)
        const reads = createPool(server.url, { max: 2 })
        const ledger = new Ledger()
        const goesOn = name === 'on'
        const plan = { random, habit: 'mixed', writersDie: true, kills: 1 } as const
        unlike += (await killRound(server, ledger, { ...plan, checkpoints: false, goesOn })).unlike
        found.push(await ledger.compare(reads))
        acknowledged += ledger.acknowledged
        await reads.end()
        await server.close()
      })
    }
    console.log(JSON.stringify({ arm: name, cuts: times, acknowledged, lost: sum(found, 'lost') }))
    return { acknowledged, found, unlike }
  }
})

function sum(found: readonly Differences[], name: 'lost'): number {
  return found.reduce((total, one) => total + one[name], 0)
}
