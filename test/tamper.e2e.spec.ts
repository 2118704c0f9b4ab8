import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { openSealedLog, type SealedLog, verifyDatabase } from './support/sealed-log.js'
import { seeded, tortureSeed } from './support/seeded.js'
import { openScene, TAMPERINGS } from './support/tampering.js'

/** A random place of each kind; the long run in test/torture takes a hundred. */
const PLACES = 1

const seed = tortureSeed()
const random = seeded(seed)
let sealed: SealedLog

beforeAll(async () => {
  sealed = await openSealedLog(90, 5)
})

afterAll(async () => {
  await sealed.close()
})

describe(`a log that was tampered with, by somebody with every right on the database, TORTURE_SEED=${seed}`, () => {
  it('verifies while nobody has touched it', async () => {
    const copy = await sealed.copy()
    const verification = await verifyDatabase(copy.url, sealed, 'outside')
    expect(verification).toMatchObject({ ok: true, findings: [], events: 95, covered: 95 })
    expect(verification.checkpoints).toBeGreaterThanOrEqual(3)
    await copy.drop()
  })

  const kinds = Object.entries(TAMPERINGS).map(([kind, how]) => ({ kind, ...how }))

  it.each(kinds)('is found out, to the event, when $kind', async ({ tamper, chainTells }) => {
    for (let place = 0; place < PLACES; place++) {
      const copy = await sealed.copy()
      const scene = await openScene(copy.url, (below) => Math.floor(random() * below))
      const index = await tamper(scene)
      await scene.client.end()
      const { ok, findings } = await verifyDatabase(copy.url, sealed, 'outside')
      expect({ ok, first: findings[0]?.index }).toEqual({ ok: false, first: index })
      // The control: what a chain without checkpoints tells.
      const alone = await verifyDatabase(copy.url, sealed, 'chain alone')
      expect(alone.ok).toBe(!chainTells)
      await copy.drop()
    }
  })
})
