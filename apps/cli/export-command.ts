import { once } from 'node:events'
import { createWriteStream, existsSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { exportLog } from '#event-store/export.js'
import { readLine } from '#event-store/export-line.js'
import { settledPosition } from '#event-store/settled.js'
import { openCommandDatabase } from './command-database.js'
import { CliFailure, EXIT, grouped, readArguments, wholeNumber } from './command-line.js'
import { ProgressBar } from './progress-bar.js'

const USAGE = `palimpsest export [--out <file>] [--block <id>] [--after <position>] [--resume] [--tenant <id>] [--json]

Writes the log as JSON lines: a header, one event a line with its exact payload, salt and hashes, and a
manifest. palimpsest verify --export checks it with the public key alone.

  --out <file>        default: standard output
  --block <id>        only this block (or agent, or run), with the proof that it is in the signed log
  --after <position>  only what comes after
  --resume            go on where the file ends: after an interruption, or with what is new since
  --tenant <id>       default: default
  --json              the result as JSON (only with --out)
`

/** Longer than any line: a payload holds a text, and its hashes. */
const TAIL_BYTES = 64 * 1024 * 1024
/** Longer than any header: some sixty hashes and a checkpoint. */
const HEADER_BYTES_MAX = 64 * 1024

export async function exportCommand(args: string[]): Promise<number> {
  const parsed = readArguments(args, USAGE, {
    out: { type: 'string' },
    block: { type: 'string' },
    after: { type: 'string' },
    resume: { type: 'boolean' },
    tenant: { type: 'string' },
    json: { type: 'boolean' },
  })
  if (!parsed) return EXIT.ok
  const { out, block, resume = false, tenant = 'default', json = false } = parsed.values
  if (resume && (!out || block)) {
    throw new CliFailure('usage', '--resume needs --out, and the whole log.')
  }
  if (block && parsed.values.after) {
    throw new CliFailure('usage', '--block exports the whole block: leave --after out.')
  }
  if (json && !out) throw new CliFailure('usage', '--json needs --out.')
  if (out && existsSync(out) && !resume) {
    throw new CliFailure('usage', `${out} exists.`, `palimpsest export --out ${out} --resume`)
  }
  const reached = resume && out && existsSync(out) ? await lastPosition(out, tenant) : undefined
  const after = reached ?? wholeNumber('after', parsed.values.after) ?? 0
  const database = await openCommandDatabase(process.env)
  const bar = new ProgressBar('exporting', json)
  let events = 0
  const client = await database.pool.connect()
  try {
    const upTo = await settledPosition(client)
    const target = out ? createWriteStream(out, { flags: 'a' }) : process.stdout
    const lines = exportLog(client, {
      tenantId: tenant,
      ...(block ? { streamId: block } : {}),
      after,
      upTo,
      onProgress: (done) => {
        events = done.events
        bar.update(done)
      },
    })
    for await (const text of lines) if (!target.write(text)) await once(target, 'drain')
    if (out) {
      target.end()
      await once(target, 'finish')
    }
    if (block && events === 0) throw new CliFailure('notFound', `${block} has no events.`)
  } finally {
    client.release(true)
    await database.close()
  }
  const seconds = bar.end()
  if (json) process.stdout.write(`${JSON.stringify({ events, after, out })}\n`)
  else process.stderr.write(`✔ Exported ${grouped(events)} events in ${seconds.toFixed(1)} s\n`)
  return EXIT.ok
}

/** Where a file ends; half a line that an interruption left is cut off. */
async function lastPosition(path: string, tenantId: string): Promise<number> {
  const file = await open(path, 'r+')
  try {
    const { size } = await file.stat()
    if (size === 0) return 0
    await mayGoOn(file, path, tenantId)
    const length = Math.min(size, TAIL_BYTES)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    const end = buffer.lastIndexOf(0x0a) + 1
    if (end === 0) throw new CliFailure('failed', `${path} is no export.`)
    await file.truncate(size - length + end)
    const lines = buffer.toString('utf8', 0, end).trimEnd().split('\n').reverse()
    for (const text of lines) {
      const line = readLine(text)
      if (line && 'event' in line) return line.event.position
      if (line && 'manifest' in line && line.manifest.lastPosition)
        return line.manifest.lastPosition
      if (line && 'header' in line) return line.header.after
    }
    throw new CliFailure('failed', `${path} is no export.`)
  } finally {
    await file.close()
  }
}

/** Only the whole log of the same tenant goes on: anything else in one file would never verify. */
async function mayGoOn(file: FileHandle, path: string, tenantId: string): Promise<void> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES_MAX), 0, undefined, 0)
  const [first = ''] = buffer.toString('utf8', 0, bytesRead).split('\n')
  const line = readLine(first)
  if (!line || !('header' in line)) throw new CliFailure('failed', `${path} is no export.`)
  if (line.header.streamId !== null) {
    throw new CliFailure('usage', `${path} holds ${line.header.streamId} alone: export it anew.`)
  }
  if (line.header.tenantId !== tenantId) {
    throw new CliFailure('usage', `${path} is the log of the tenant ${line.header.tenantId}.`)
  }
}
