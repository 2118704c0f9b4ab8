// The rows: on the screen as they come, all of them as JSON at the end, and how the goals stand.
import { writeFileSync } from 'node:fs'
import { judge, unmeasured } from './goals.mjs'

/** How the further figures of a row are told; whatever is not here stands in the JSON only. */
const TOLD = {
  seconds: (n) => `${n.toFixed(2)} s`,
  rssMb: (n) => `${Math.round(n)} MB RSS`,
  timesEmmett: (n) => `${n.toFixed(1)} times Emmett`,
  timesWhole: (n) => `${n.toFixed(1)} times the whole value`,
  timesPlain: (n) => `×${n.toFixed(2)} of a read`,
  walBytes: (n) => `${Math.round(n)} B WAL/edit`,
  p99Flushes: (n) => `p99 = ${n.toFixed(1)} flushes`,
  cost: (n) => `costs writers ${(n * 100).toFixed(1)} %`,
  feedP50: (n) => `to the subscriber p50 ${n.toFixed(1)}`,
  feedP99: (n) => `p99 ${n.toFixed(1)} ms`,
  costGrowth: (n) => `costs ×${n.toFixed(2)} of the smallest log`,
  retries: (n) => (n > 0 ? `${n} retries` : ''),
  failed: (n) => (n > 0 ? `${n} failed` : ''),
  missed: (n) => (n > 0 ? `${n} missed` : ''),
  twice: (n) => (n > 0 ? `${n} twice` : ''),
  disordered: (n) => (n > 0 ? `${n} out of order` : ''),
  overFlushesMs: (n) => `5 flushes and ${n.toFixed(2)} ms`,
  cpuMs: (n) => `${n.toFixed(2)} ms CPU of the worker each`,
  remark: (text) => text,
}

export class Report {
  #rows = []
  #groups = []

  group(name) {
    this.#groups.push(name)
    console.log(`\n${name}`)
  }

  remark(text) {
    console.log(`     ${text}`)
  }

  add(row) {
    const goals = judge(row)
    const met = goals.length === 0 ? null : goals.every((goal) => goal.met)
    const judged = { ...row, goals, goal: goals.map(({ goal }) => goal).join('; ') || null, met }
    this.#rows.push(judged)
    console.log(text(judged))
  }

  write(path, run) {
    const rows = this.#rows.map(({ goals, ...row }) => row)
    writeFileSync(path, `${JSON.stringify({ ...run, rows, goals: this.#goals() }, null, 2)}\n`)
  }

  /** @returns whether every goal that was measured is met. */
  summary() {
    const goals = this.#goals()
    console.log('\nGoals')
    for (const goal of goals) {
      const place = `${goal.group} · ${goal.name}${goal.inFlight ? ` · ${goal.inFlight}` : ''}`
      const figure = goal.value === undefined ? '' : format(goal.value)
      console.log(` ${MARK[goal.met]} ${place.padEnd(60)} ${goal.goal.padEnd(28)} ${figure}`)
    }
    const count = (met) => goals.filter((goal) => goal.met === met).length
    console.log(
      `${count(true)} met, ${count(false)} missed, ${count(null)} not measured in this run`,
    )
    return count(false) === 0
  }

  #goals() {
    const measured = this.#rows.flatMap(({ goals }) => goals)
    const open = unmeasured(this.#groups, this.#rows).map((goal) => ({ ...goal, met: null }))
    return [...measured, ...open].map(({ group, name, inFlight, goal, value, met }) => ({
      group,
      name,
      inFlight,
      goal,
      value,
      met,
    }))
  }
}

const MARK = { true: 'met   ', false: 'missed', null: '  –   ' }

function text(row) {
  const told = Object.entries(TOLD)
    .filter(([figure]) => row[figure] !== undefined)
    .map(([figure, tell]) => tell(row[figure]))
  const missed = row.goals.filter((goal) => !goal.met)
  const shown = missed.length > 0 ? missed : row.goals
  const goal = shown.map((one) => one.goal).join('; ')
  const cells = [
    String(row.inFlight ?? '').padStart(4),
    row.name.padEnd(44),
    has(row.perSecond) ? `${Math.round(row.perSecond)}/s`.padStart(9) : ' '.repeat(9),
    has(row.ratio) ? `×${row.ratio.toFixed(2)}`.padStart(7) : ' '.repeat(7),
    has(row.p50) ? `p50 ${row.p50.toFixed(2)}`.padStart(11) : '',
    has(row.p50Ratio) ? `(×${row.p50Ratio.toFixed(2)})`.padEnd(9) : '',
    has(row.p99) ? `p99 ${row.p99.toFixed(1)} ms`.padEnd(14) : '',
    ...told,
    goal && `${row.met ? 'met' : 'MISSED'}: ${goal}`,
  ]
  return cells.filter(Boolean).join(' ').trimEnd()
}

function has(value) {
  return typeof value === 'number' && !Number.isNaN(value)
}

function format(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 3 : 1)
}
