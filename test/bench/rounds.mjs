// Interleaved rounds: every row of a group in turn, round after round, beside the raw insert of the same
// round, so that a slow minute slows all of them. What is told is the median of the rounds.
import { load, median } from './load.mjs'
import { rawInsert } from './raw-insert.mjs'

/** The name of the ceiling among the arms. */
export const RAW = 'raw insert'
const WARM_UP_MS_MAX = 500
/** Of these every single one counts; all other figures are medians. */
const COUNTS = new Set(['done', 'failed', 'retries', 'missed', 'twice', 'disordered'])

/**
 * @typedef {object} Arm what is measured, opened anew for each round
 * @property {(worker: number, n: number) => Promise<unknown>} [operation] of a closed loop
 * @property {(ms: number) => Promise<object>} [measure] instead of it: gives the figures itself
 * @property {(measured: () => Promise<object>) => Promise<object>} [around] what is to happen beside it
 * @property {() => object} [figures] further ones, asked for after the measuring
 * @property {() => Promise<unknown>} close
 */

/**
 * @param {object} plan
 * @param {string} plan.url of the database
 * @param {number} plan.inFlight
 * @param {number} plan.ms of each measuring
 * @param {number} plan.rounds
 * @param {Record<string, (at: { url: string, inFlight: number }) => Promise<Arm>>} plan.arms
 * @returns for each arm, the raw insert the first, the figures of each round
 */
export async function interleave({ url, inFlight, ms, rounds, arms }) {
  const makers = Object.entries({ [RAW]: rawInsert, ...arms })
  const measured = Object.fromEntries(makers.map(([name]) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    // Nobody is always the first, or always after the same one.
    const turn = round % makers.length
    for (const [name, make] of [...makers.slice(turn), ...makers.slice(0, turn)]) {
      measured[name].push(await measure(await make({ url, inFlight }), inFlight, ms))
    }
  }
  return measured
}

async function measure(arm, inFlight, ms) {
  try {
    if (arm.measure) return await arm.measure(ms)
    await load(inFlight, Math.min(ms, WARM_UP_MS_MAX), arm.operation)
    const run = () => load(inFlight, ms, arm.operation)
    const figures = await (arm.around ? arm.around(run) : run())
    return { ...figures, ...arm.figures?.() }
  } finally {
    await arm.close()
  }
}

/**
 * @param more figures that compare the arms of one round, such as `{ hot: { timesEmmett: 80 } }`
 * @returns a row for each arm, with its ratio to the raw insert of the same round
 */
export function rowsOf(measured, more = () => ({})) {
  const raw = measured[RAW]
  for (const round of raw.keys()) {
    const together = Object.fromEntries(Object.entries(measured).map(([k, all]) => [k, all[round]]))
    for (const [name, figures] of Object.entries(more(together)))
      Object.assign(measured[name][round], figures)
  }
  return Object.entries(measured).map(([name, all]) => ({
    name,
    ...summary(all),
    ratio: median(all.map((figures, n) => figures.perSecond / raw[n].perSecond)),
    p50Ratio: median(all.map((figures, n) => figures.p50 / raw[n].p50)),
  }))
}

function summary(all) {
  const [first] = all
  return Object.fromEntries(
    Object.entries(first).map(([figure, value]) => {
      const values = all.map((figures) => figures[figure])
      if (typeof value !== 'number') return [figure, value]
      return [figure, COUNTS.has(figure) ? values.reduce((a, b) => a + b, 0) : median(values)]
    }),
  )
}
