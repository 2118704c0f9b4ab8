import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { openSealedLog, type SealedLog, verifyDatabase } from '../support/sealed-log.js'
import { openScene, TAMPERINGS } from '../support/tampering.js'

/** Random places of each kind. */
const PLACES = Number(process.env['PLACES'] ?? 100)
const MINUTES = 60_000

let sealed: SealedLog

beforeAll(async () => {
  sealed = await openSealedLog(2_000, 12)
}, 2 * MINUTES)

afterAll(() => sealed.close())

describe(`${PLACES} random places of each kind, as superuser`, () => {
  const kinds = Object.entries(TAMPERINGS).map(([kind, how]) => ({ kind, ...how }))

  it.each(kinds)(
    '$kind: found and located every time',
    async ({ kind, tamper, chainTells }) => {
      const missed: object[] = []
      let toldByChain = 0
      for (let place = 0; place < PLACES; place++) {
        const copy = await sealed.copy()
        const scene = await openScene(copy.url, (below) => randomInt(below))
        const index = await tamper(scene)
        await scene.client.end()
        const { ok, findings } = await verifyDatabase(copy.url, sealed, 'outside')
        if (ok || findings[0]?.index !== index) missed.push({ place, index, ok, findings })
        const alone = await verifyDatabase(copy.url, sealed, 'chain alone')
        toldByChain += alone.ok ? 0 : 1
        await copy.drop()
      }
      console.log(`${kind}: ${PLACES - missed.length} of ${PLACES}; a chain alone ${toldByChain}`)
      expect(missed).toEqual([])
      // The control arm: what has no copy outside cannot tell the three worst kinds.
      expect(toldByChain).toBe(chainTells ? PLACES : 0)
    },
    10 * MINUTES,
  )
})
