/**
 * How many wrong programs the specs of the domain tell from the right one: every file of `libs/domain` is
 * changed in one place after another, and judged by its own specs (`merge.ts` by `merge.spec.ts` and
 * `merge-….spec.ts`), or, where it has none, by those that import it and those of the files that do.
 *
 *     npm run mutation [-- name…]     e.g. merge block-undo
 *
 * Prints every change that no spec noticed, then the scores. Fails below the score that is promised. What else there
 * is to set stands in stryker.config.mjs.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { Stryker } from '@stryker-mutator/core'

const FOLDER = 'libs/domain'
const SCORE_MIN = 80
const NOTICED = ['Killed', 'Timeout']
const MISSED = ['Survived', 'NoCoverage']

const all = readdirSync(FOLDER).filter((name) => name.endsWith('.ts'))
const specs = all.filter((name) => name.endsWith('.spec.ts'))
const wanted = process.argv.slice(2)
const names = all
  .filter((name) => !specs.includes(name))
  .map((name) => name.slice(0, -'.ts'.length))
  .filter((name) => wanted.length === 0 || wanted.includes(name))

const rows = []
for (const name of names) {
  const results = await mutated(name)
  const [noticed, missed] = [NOTICED, MISSED].map((statuses) =>
    results.filter(({ status }) => statuses.includes(status)),
  )
  if (noticed.length + missed.length === 0) continue
  rows.push({ name, noticed: noticed.length, missed: missed.length })
  for (const { location, mutatorName, replacement } of missed) {
    const { line, column } = location.start
    console.log(`${FOLDER}/${name}.ts:${line + 1}:${column + 1} ${mutatorName} -> ${replacement}`)
  }
}

const sum = (key) => rows.reduce((total, row) => total + row[key], 0)
const total = { name: 'all', noticed: sum('noticed'), missed: sum('missed') }
console.log('\n| file | mutants | noticed | score |\n|---|---|---|---|')
for (const { name, noticed, missed } of [...rows, total]) {
  console.log(`| ${name} | ${noticed + missed} | ${noticed} | ${percent(noticed, missed)} % |`)
}
if (percent(total.noticed, total.missed) < SCORE_MIN) process.exitCode = 1

function percent(noticed, missed) {
  return Math.floor((1000 * noticed) / (noticed + missed)) / 10
}

function mutated(name) {
  const testMatch = [...judges(name)].map((spec) => `<rootDir>/${FOLDER}/${spec}`)
  const options = { mutate: [`${FOLDER}/${name}.ts`], jest: { config: { testMatch } } }
  return new Stryker(options).runMutationTest()
}

function judges(name, seen = new Set()) {
  const own = specs.filter((spec) => spec.startsWith(`${name}.`) || spec.startsWith(`${name}-`))
  if (own.length > 0 || seen.has(name)) return new Set(own)
  seen.add(name)
  const importers = all.filter((file) => imports(file, name))
  return new Set(
    importers.flatMap((file) =>
      specs.includes(file) ? [file] : [...judges(file.slice(0, -'.ts'.length), seen)],
    ),
  )
}

function imports(file, name) {
  return readFileSync(`${FOLDER}/${file}`, 'utf8').includes(`from './${name}.js'`)
}
