// Adds up Jest's reports in a folder and ends with the plain line CI reads. Fails when anything failed, when
// nothing ran, or when the end-to-end part was skipped or did not meet Redis.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.argv[2]
const [quick, stock, ...slow] = ['quick', 'stock', 'slow-1', 'slow-2'].map((name) => {
  try {
    return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'))
  } catch {
    return null
  }
})
const tests = (report) => report?.testResults.flatMap((file) => file.assertionResults) ?? []
const onRedis = tests(stock).filter((t) => t.status === 'passed' && t.fullName.includes('on Redis'))
const problems = []
if (!quick) problems.push('the suite left no report')
if (!stock || stock.numPassedTests === 0)
  problems.push('the end-to-end part on stock servers did not run')
else if (onRedis.length === 0) problems.push('no end-to-end test met Redis')
for (const problem of problems) console.error(problem)

const reports = [quick, stock, ...slow]
const sum = (field) => reports.reduce((total, report) => total + (report?.[field] ?? 0), 0)
const broken = sum('numRuntimeErrorTestSuites')
const failed = sum('numFailedTests') + broken + problems.length
console.log(`${sum('numPassedTests')} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
