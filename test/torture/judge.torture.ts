import { writeFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { check } from '../judge/check.mjs'
import { type Operation, toLines } from '../judge/record.mjs'
import { tell } from '../judge/verdict.mjs'
import { type JudgedRun, judgedRun } from '../support/judged-run.js'
import { pick, tortureSeed, withSeed } from '../support/seeded.js'

/** JUDGE_OPERATIONS=200000 is the long run; JUDGE_RECORD names a file for the history. */
const OPERATIONS = Number(process.env['JUDGE_OPERATIONS'] ?? 5_000)
const KILLS = Math.max(2, Math.round(OPERATIONS / 5_000))
const RECORD = process.env['JUDGE_RECORD']
const SEED = tortureSeed()
const MS_MAX = 120_000 + OPERATIONS * 40

describe(`${OPERATIONS} operations over HTTP, ${KILLS} kills of an api process`, () => {
  let run: JudgedRun

  it(
    'come to a log that bears out everything anybody was told',
    () =>
      withSeed(SEED, async (random) => {
        run = await judgedRun({ random, operations: OPERATIONS, kills: KILLS })
        if (RECORD) writeFileSync(RECORD, toLines(run.history))
        const begun = performance.now()
        const verdict = check(run.history, run.log)
        const judgedMs = Math.round(performance.now() - begun)
        const { kills, tookMs } = run
        const events = run.log.events.length
        const told = countOf(run.history)
        console.log(
          JSON.stringify({ ...told, events, kills, tookMs: Math.round(tookMs), judgedMs }),
        )
        expect(verdict.violations.map(tell)).toEqual([])
      }),
    MS_MAX,
  )

  it.each<[string, (operation: Operation) => Operation | null]>([
    ['an answer of a version too early', (one) => later(one, -1)],
    ['an answer of a version too late', (one) => later(one, 1)],
    ['a read of another text', anotherText],
    ['a refusal instead of the edit', refused],
  ])(
    'control: %s, put in by hand, is found',
    (_, spoil) =>
      withSeed(SEED, async (random) => {
        const { history, log } = run
        for (;;) {
          const at = pick(random, history.length)
          const spoilt = spoil(history[at] as Operation)
          if (!spoilt) continue
          expect(check(history.with(at, spoilt), log).ok).toBe(false)
          return
        }
      }),
    MS_MAX,
  )
})

function countOf(history: readonly Operation[]): Record<string, number> {
  const count: Record<string, number> = { operations: history.length }
  for (const { outcome } of history) count[outcome.status] = (count[outcome.status] ?? 0) + 1
  return count
}

function later(operation: Operation, by: number): Operation | null {
  const { outcome } = operation
  if (outcome.status !== 'ok' || !outcome.changed) return null
  const version = Object.fromEntries(
    Object.entries(outcome.version).map(([id, version]) => [id, version + by]),
  )
  return { ...operation, outcome: { ...outcome, version } }
}

function anotherText(operation: Operation): Operation | null {
  const { outcome } = operation
  if (outcome.status !== 'read') return null
  const blocks = Object.fromEntries(
    Object.entries(outcome.blocks).map(([id, sight]) => [id, { ...sight, digest: 'another' }]),
  )
  return { ...operation, outcome: { ...outcome, blocks } }
}

function refused(operation: Operation): Operation | null {
  const { outcome } = operation
  if (outcome.status !== 'ok' || !outcome.changed) return null
  return { ...operation, outcome: { status: 'rejected', code: 'stale_base', at: outcome.version } }
}
