import { type Imported, importLog } from '#event-store/import.js'
import { ImportRefusal } from '#event-store/import-refusal.js'
import { project } from '#read-models/projection.js'
import { openCommandDatabase } from './command-database.js'
import { CliFailure, EXIT, grouped, readArguments } from './command-line.js'
import { ExportFile } from './export-file.js'
import { ProgressBar } from './progress-bar.js'
import { asJson, inWords, mustExist, readKeys } from './verify-command.js'

const USAGE = `palimpsest import <file> [--public-key <public.pem>]… [--dry-run] [--tenant <id>] [--json]

Writes the events of an export into the database, with their hashes, and the read models and mailboxes that
follow from them. First the whole file is verified and compared with the database: unless every line is sound and
every event is either there or follows from what is there, nothing is written. Events that are there are passed
over, so an import that was interrupted goes on when it is run again.

  --public-key <file>  also check the signature, with the public key of the exported log (PEM)
  --dry-run            verify and compare only
  --tenant <id>        default: default; must be the export's own
  --json               the result as JSON
`

export async function importCommand(args: string[]): Promise<number> {
  const parsed = readArguments(args, USAGE, {
    'public-key': { type: 'string', multiple: true },
    'dry-run': { type: 'boolean' },
    tenant: { type: 'string' },
    json: { type: 'boolean' },
  })
  if (!parsed) return EXIT.ok
  const [path, ...more] = parsed.positionals
  if (path === undefined || more.length > 0) {
    throw new CliFailure('usage', 'Which file is to be imported?', 'palimpsest import <file>')
  }
  mustExist(path)
  const { 'public-key': keyFiles, 'dry-run': dryRun = false, json = false } = parsed.values
  const keys = keyFiles ? readKeys(keyFiles) : null
  const tenantId = parsed.values.tenant ?? 'default'
  const file = await ExportFile.open(path)
  const database = await openCommandDatabase(process.env)
  let bar = new ProgressBar('verifying', json)
  let writes = false
  const begun = performance.now()
  const seconds = (): number => (performance.now() - begun) / 1_000
  try {
    const imported = await importLog(database.pool, () => file.lines(), {
      tenantId,
      project,
      keys,
      dryRun,
      onVerified: ({ events }) => bar.update({ events, share: file.share }),
      onImported: (done) => {
        if (!writes) {
          bar.end()
          bar = new ProgressBar('importing', json)
        }
        writes = true
        bar.update(done)
      },
    })
    bar.end()
    process.stdout.write(json ? resultJson(imported, dryRun) : words(imported, dryRun, seconds()))
    return EXIT.ok
  } catch (error) {
    bar.end()
    if (error instanceof ImportRefusal) return refused(error, json, seconds())
    throw error
  } finally {
    await file.close()
    await database.close()
  }
}

function resultJson({ root, ...counts }: Imported, dryRun: boolean): string {
  const { events, streams, present, fresh, covered } = counts
  const all = { events, streams, present, new: fresh, covered, root: root.toString('hex') }
  return `${JSON.stringify({ ok: true, ...all, dry_run: dryRun })}\n`
}

function words(imported: Imported, dryRun: boolean, seconds: number): string {
  const { events, streams, present, fresh, covered, root } = imported
  const did = dryRun ? 'Would import' : 'Imported'
  const of = `${grouped(events)} events of ${grouped(streams)} streams`
  const signed = covered > 0 ? `the signature covers the first ${grouped(covered)}` : 'not signed'
  return [
    `✔ ${did} ${of} in ${seconds.toFixed(1)} s: ${grouped(fresh)} new, ${grouped(present)} there before`,
    `  Every hash holds; ${signed}`,
    `  root ${root.toString('hex')}`,
    '',
  ].join('\n')
}

/** What does not verify is told as verify tells it. */
function refused({ reason, message, verification }: ImportRefusal, json: boolean, seconds: number) {
  const exit = reason === 'unverified' || reason === 'unsigned' ? 'unverified' : 'failed'
  if (json) {
    const found = verification ? asJson(verification) : {}
    process.stdout.write(`${JSON.stringify({ ...found, ok: false, reason, detail: message })}\n`)
    return EXIT[exit]
  }
  if (verification)
    process.stdout.write(`${inWords(verification, seconds)}  Nothing was imported\n`)
  else throw new CliFailure(exit, message, reason === 'moved' ? 'run the same command again' : null)
  return EXIT[exit]
}
