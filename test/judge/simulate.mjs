// npm run simulate -- [--schedules 100000] [--seed N] [--operations 5] [--bug name] [--workers N] [--show]
// Runs seeded schedules of the pure core over a log in memory and judges each history. A failure names its seed and
// the command that replays it.
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { BUGS } from './bugs.mjs'
import { check } from './check.mjs'
import { toLines } from './record.mjs'
import { runSchedule } from './schedule.mjs'
import { tell } from './verdict.mjs'

/** Seeds a worker takes at once, and tells about afterwards. */
const PORTION = 500
/** Schedules make much that is thrown away at once. */
const YOUNG_MB = 64
const PROGRESS_MS = 2_000
const FAILURES_TOLD_MAX = 10

/**
 * @param {number} seed
 * @param {{ readonly bug?: string, readonly operations?: number }} options
 * @returns {{ history: any, log: any, violations: readonly string[], thrown?: string }}
 */
export function judgeSchedule(seed, { bug, operations }) {
  const rules = bug ? bugNamed(bug).rules : {}
  try {
    const { history, log } = runSchedule(seed, { rules, ...(operations ? { operations } : {}) })
    return { history, log, violations: check(history, log).violations.map(tell) }
  } catch (error) {
    // A service that throws where it should answer is a finding as well.
    return { history: [], log: null, violations: [`thrown: ${error.stack}`] }
  }
}

/** @param {string} name */
export function bugNamed(name) {
  const bug = BUGS.find((one) => one.name === name)
  if (!bug) throw new Error(`there is no bug ${name}: ${BUGS.map((one) => one.name).join(', ')}`)
  return bug
}

if (!isMainThread && workerData?.simulate) {
  parentPort?.on('message', ({ from, to }) => {
    const failures = []
    let operations = 0
    for (let seed = from; seed < to; seed++) {
      const { history, violations } = judgeSchedule(seed, workerData.options)
      operations += history.length
      if (violations.length > 0) failures.push({ seed, violations })
    }
    parentPort?.postMessage({ done: to - from, operations, failures })
  })
} else if (process.argv[1] === fileURLToPath(import.meta.url)) await main()

async function main() {
  const { values: given } = parseArgs({
    options: {
      schedules: { type: 'string', default: '100000' },
      seed: { type: 'string' },
      operations: { type: 'string' },
      bug: { type: 'string' },
      workers: { type: 'string' },
      show: { type: 'boolean', default: false },
    },
  })
  const schedules = Number(given.schedules)
  const seed = Number(given.seed ?? Math.floor(Date.now() / 1000))
  const workers = Number(given.workers ?? availableParallelism())
  const options = {
    bug: given.bug,
    operations: given.operations ? Number(given.operations) : undefined,
  }
  if (!(schedules >= 1) || !Number.isInteger(seed) || !(workers >= 1)) {
    console.error('--schedules, --seed and --workers take numbers')
    process.exit(2)
  }
  if (options.bug) bugNamed(options.bug)
  if (given.show) return show(seed, options)
  const failures = await runAll({ seed, schedules, workers, options })
  for (const { seed: failed, violations } of failures.slice(0, FAILURES_TOLD_MAX)) {
    console.log(`\nseed ${failed}: ${violations.length} violations`)
    for (const violation of violations.slice(0, 5)) console.log(`  ${violation}`)
    console.log(`  replay: ${replay(failed, options)}`)
  }
  process.exitCode = failures.length > 0 ? 1 : 0
}

/** One schedule, whole: what was asked and answered, and what is in the log. */
function show(seed, options) {
  const { history, log, violations } = judgeSchedule(seed, options)
  process.stdout.write(toLines(history))
  for (const { position, stream, version, type, command } of log?.events ?? []) {
    console.log(`${position} ${stream}@${version} ${type} by ${command}`)
  }
  for (const violation of violations) console.log(violation)
  process.exitCode = violations.length > 0 ? 1 : 0
}

async function runAll({ seed, schedules, workers, options }) {
  const begun = performance.now()
  const end = seed + schedules
  let next = seed
  let done = 0
  let operations = 0
  const failures = []
  const progress = () => {
    const seconds = (performance.now() - begun) / 1000
    const rate = Math.round(done / seconds)
    console.log(
      `${done} of ${schedules} schedules from seed ${seed}, ${operations} operations, ${rate}/s on ${workers} threads, ${failures.length} failed`,
    )
  }
  const ticking = setInterval(progress, PROGRESS_MS)
  await Promise.all(
    Array.from({ length: workers }, () => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { simulate: true, options },
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      })
      return new Promise((resolve, reject) => {
        const give = () => {
          if (next >= end) return resolve(worker.terminate())
          const from = next
          next = Math.min(end, next + PORTION)
          worker.postMessage({ from, to: next })
        }
        worker.on('error', reject)
        worker.on('message', (told) => {
          done += told.done
          operations += told.operations
          failures.push(...told.failures)
          give()
        })
        give()
      })
    }),
  )
  clearInterval(ticking)
  progress()
  return failures.sort((a, b) => a.seed - b.seed)
}

function replay(seed, { bug, operations }) {
  const more = `${operations ? ` --operations ${operations}` : ''}${bug ? ` --bug ${bug}` : ''}`
  return `npm run simulate -- --seed ${seed} --schedules 1${more} --show`
}
