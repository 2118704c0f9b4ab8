import { existsSync } from 'node:fs'
import { auditDirectory } from '#adapters/audit-directory.js'
import { readCheckpointFile } from '#adapters/checkpoint-file.js'
import { readPublicKeys } from '#adapters/signing-key.js'
import type { PublicKeys } from '#event-store/checkpoint.js'
import { verifyExport } from '#event-store/export-check.js'
import type { Finding } from '#event-store/log-check.js'
import { verifyLog } from '#event-store/verify.js'
import { openCommandDatabase, readCommandConfig } from './command-database.js'
import { CliFailure, EXIT, grouped, readArguments } from './command-line.js'
import { ExportFile } from './export-file.js'
import { ProgressBar } from './progress-bar.js'

const USAGE = `palimpsest verify [--export <file>] [--key <public.pem>]… [--checkpoints <file>] [--tenant <id>] [--json]

Checks every event against its hash, every stream's chain, the heads and their texts, and the signed
checkpoints: those in the database and the copy outside it. The log may be in use meanwhile.

  --export <file>       check an export instead: needs no database, only the public key
  --key <file>          a public key (PEM); default: audit/public-key.pem of the data directory
  --checkpoints <file>  the outside copy; default: audit/checkpoints.jsonl of the data directory
  --tenant <id>         default: default
  --json                the result as JSON
`

/** What every kind of verification tells. */
export interface Result {
  readonly ok: boolean
  readonly events: number
  readonly streams: number
  readonly checkpoints: number
  readonly covered: number
  readonly root: Buffer
  readonly findings: readonly Finding[]
  readonly found: number
}

const SHOWN_MAX = 10

export async function verifyCommand(args: string[]): Promise<number> {
  const parsed = readArguments(args, USAGE, {
    export: { type: 'string' },
    key: { type: 'string', multiple: true },
    checkpoints: { type: 'string' },
    tenant: { type: 'string' },
    json: { type: 'boolean' },
  })
  if (!parsed) return EXIT.ok
  const { values } = parsed
  const quiet = values.json === true
  const audit = auditDirectory(readCommandConfig(process.env).dataDir)
  const keys = keysOf(values.key, audit.publicKey)
  const copy = values.checkpoints ?? audit.checkpoints
  if (values.checkpoints !== undefined) mustExist(values.checkpoints)
  const bar = new ProgressBar('verifying', quiet)
  const result = values.export
    ? await ofExport(values.export, keys, values.checkpoints, bar)
    : await ofDatabase(keys, copy, values.tenant ?? 'default', bar)
  const seconds = bar.end()
  process.stdout.write(quiet ? `${JSON.stringify(asJson(result))}\n` : inWords(result, seconds))
  return result.ok ? EXIT.ok : EXIT.unverified
}

async function ofDatabase(
  keys: PublicKeys,
  checkpoints: string,
  tenantId: string,
  bar: ProgressBar,
): Promise<Result> {
  const database = await openCommandDatabase(process.env)
  try {
    const outside = readCheckpointFile(checkpoints)
    const onProgress = bar.update.bind(bar)
    return await verifyLog(database.pool, { tenantId, keys, outside, onProgress })
  } finally {
    await database.close()
  }
}

/** The copy of the checkpoints belongs to the log exported here only if somebody says so. */
async function ofExport(
  path: string,
  keys: PublicKeys,
  checkpoints: string | undefined,
  bar: ProgressBar,
): Promise<Result> {
  mustExist(path)
  const file = await ExportFile.open(path)
  const outside = checkpoints === undefined ? {} : { outside: readCheckpointFile(checkpoints) }
  const onProgress = ({ events }: { events: number }): void =>
    bar.update({ events, share: file.share })
  try {
    return await verifyExport(file.lines(), { keys, ...outside, onProgress })
  } finally {
    await file.close()
  }
}

function keysOf(given: readonly string[] | undefined, usual: string): PublicKeys {
  return readKeys(given ?? (existsSync(usual) ? [usual] : []))
}

/** @throws CliFailure */
export function readKeys(paths: readonly string[]): PublicKeys {
  for (const path of paths) mustExist(path)
  try {
    return readPublicKeys(paths)
  } catch (error) {
    throw new CliFailure('usage', `The key cannot be read: ${(error as Error).message}`)
  }
}

/** @throws CliFailure notFound */
export function mustExist(path: string): void {
  if (!existsSync(path)) throw new CliFailure('notFound', `${path} does not exist.`)
}

export function inWords(result: Result, seconds: number): string {
  const { events, streams, checkpoints, covered, root, findings, found } = result
  const read = `${grouped(events)} events of ${grouped(streams)} streams in ${seconds.toFixed(1)} s`
  const signed =
    covered > 0
      ? `${grouped(checkpoints)} checkpoints hold; they cover the first ${grouped(covered)} events`
      : 'No checkpoint covers the log: a chain alone cannot tell that its end was cut off, or all of it written anew'
  const lines = result.ok
    ? [`✔ Verified ${read}`, `  ${signed}`, `  root ${root.toString('hex')}`]
    : [
        `✘ Not verified: ${grouped(found)} findings in ${read}`,
        ...findings.slice(0, SHOWN_MAX).map((finding) => `  ${place(finding)}: ${finding.detail}`),
        `  ${signed}`,
      ]
  return `${lines.join('\n')}\n`
}

function place({ kind, index, position }: Finding): string {
  const where = [
    ...(index === null ? [] : [`place ${index}`]),
    ...(position === null ? [] : [`position ${position}`]),
  ]
  return `${kind}${where.length > 0 ? ` at ${where.join(', ')}` : ''}`
}

export function asJson(result: Result): object {
  const { root, findings, ...rest } = result
  return {
    ok: rest.ok,
    events: rest.events,
    streams: rest.streams,
    checkpoints: rest.checkpoints,
    covered: rest.covered,
    root: root.toString('hex'),
    found: rest.found,
    findings: findings.map(({ streamId, ...finding }) => ({ ...finding, stream_id: streamId })),
  }
}
