import { TABLES, type Table } from '#read-models/log-fold.js'
import { checkReadModels, rebuildReadModels } from '#read-models/rebuild.js'
import { openCommandDatabase } from './command-database.js'
import { CliFailure, EXIT, grouped, readArguments } from './command-line.js'
import { ProgressBar } from './progress-bar.js'

const USAGE = `palimpsest rebuild [${TABLES.join('|')}] [--check] [--tenant <id>] [--json]

Makes the read models, or the one that is named, again from the log. The service goes on meanwhile; for a
moment at the end its writers wait.

  --check        compare only, and name the first row that differs (exit code 7)
  --tenant <id>  default: default
  --json         the result as JSON
`

export async function rebuildCommand(args: string[]): Promise<number> {
  const parsed = readArguments(args, USAGE, {
    check: { type: 'boolean' },
    tenant: { type: 'string' },
    json: { type: 'boolean' },
  })
  if (!parsed) return EXIT.ok
  const { check = false, tenant = 'default', json = false } = parsed.values
  const tables = tablesOf(parsed.positionals)
  const bar = new ProgressBar(check ? 'comparing' : 'rebuilding', json)
  const onProgress = bar.update.bind(bar)
  const say = (result: object, words: (seconds: number) => string): void => {
    const seconds = bar.end()
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${words(seconds)}\n`)
  }
  const database = await openCommandDatabase(process.env)
  try {
    if (!check) {
      const result = await rebuildReadModels(database.pool, tenant, { tables, onProgress })
      const { events, rows, mended } = result
      say(
        result,
        (s) =>
          `✔ Rebuilt ${grouped(rows)} rows from ${grouped(events)} events in ${s.toFixed(1)} s; ${grouped(mended)} rows were mended`,
      )
      return EXIT.ok
    }
    const result = await checkReadModels(database.pool, tenant, { tables, onProgress })
    const { events, rows, differences, first } = result
    say(result, (s) =>
      first === null
        ? `✔ ${grouped(rows)} rows are what ${grouped(events)} events give, in ${s.toFixed(1)} s`
        : `✘ ${grouped(differences)} of ${grouped(rows)} rows are not what the log gives. The first: ${first.table} ${first.key}\n  is         ${first.is ?? 'missing'}\n  should be  ${first.shouldBe ?? 'not there'}`,
    )
    return first === null ? EXIT.ok : EXIT.unverified
  } finally {
    await database.close()
  }
}

function tablesOf(names: readonly string[]): readonly Table[] {
  if (names.length === 0) return TABLES
  const unknown = names.find((name) => !TABLES.includes(name as Table))
  if (unknown === undefined) return names as Table[]
  const known = TABLES.join(', ')
  throw new CliFailure('notFound', `There is no projection ${unknown}; there are ${known}.`)
}
