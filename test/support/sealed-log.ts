import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auditDirectory } from '#adapters/audit-directory.js'
import { CheckpointFile, readCheckpointFile } from '#adapters/checkpoint-file.js'
import { openSigningKey, readPublicKeys } from '#adapters/signing-key.js'
import type { PublicKeys } from '#event-store/checkpoint.js'
import { CheckpointMaker } from '#event-store/checkpoints.js'
import { type Verification, verifyLog } from '#event-store/verify.js'
import { createPool } from '#postgres/database.js'
import { createTestDatabase, type TestDatabase } from './database.js'
import { insertion, openLog, type TestLog, tenantId } from './log.js'

/** A log with signed checkpoints and their copy outside, and as many copies of its database as wanted. */
export interface SealedLog {
  readonly log: TestLog
  readonly dataDir: string
  readonly keys: PublicKeys
  /** Signs what is there by now. */
  seal(): Promise<void>
  copy(): Promise<TestDatabase>
  close(): Promise<void>
}

/** @param events beside the creation of the blocks, in turn over them; signed in three steps. */
export async function openSealedLog(events: number, blocks: number): Promise<SealedLog> {
  const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-sealed-'))
  const log = await openLog()
  const seal = async (): Promise<void> => {
    const maker = new CheckpointMaker({
      pool: log.reads,
      tenantIds: [tenantId],
      signer: openSigningKey(dataDir),
      sink: new CheckpointFile(dataDir),
      onError: (error) => {
        throw error
      },
    })
    // What a first look marks, a later one certifies: other databases of the server may be busy.
    while ((await covered(log)) < (await count(log))) await maker.make()
    await maker.close()
  }
  const writer = log.openWriter()
  const ids: string[] = []
  for (let i = 0; i < blocks; i++) ids.push(await log.createBlock(writer, `Block ${i} \u{1f642}`))
  const third = Math.ceil(events / 3)
  for (let from = 0; from < events; from += third) {
    const units = Array.from({ length: Math.min(third, events - from) }, (_, i) => {
      const n = from + i
      const keyed = { id: `key-${n}`, fingerprint: randomBytes(32) }
      const command = n % 4 === 0 ? keyed : undefined
      return writer.submit(insertion(ids[n % blocks] as string, `line ${n} — ü`, command))
    })
    await Promise.all(units)
    await seal()
  }
  await writer.close()
  const keys = readPublicKeys([auditDirectory(dataDir).publicKey])
  return {
    log,
    dataDir,
    keys,
    seal,
    copy: () => createTestDatabase(new URL(log.url).pathname.slice(1)),
    async close() {
      await log.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** Verifies a database against the outside copy, or with nothing but what the database holds. */
export async function verifyDatabase(
  url: string,
  sealed: Pick<SealedLog, 'dataDir' | 'keys'>,
  against: 'outside' | 'chain alone',
): Promise<Verification> {
  const pool = createPool(url, { max: 2 })
  const { checkpoints } = auditDirectory(sealed.dataDir)
  try {
    const outside = against === 'outside' ? readCheckpointFile(checkpoints) : []
    return await verifyLog(pool, { tenantId, keys: sealed.keys, outside })
  } finally {
    await pool.end()
  }
}

async function covered({ reads }: TestLog): Promise<number> {
  const { rows } = await reads.query('select coalesce(max(size), 0) as size from audit_checkpoints')
  return Number(rows[0].size)
}

async function count({ reads }: TestLog): Promise<number> {
  const { rows } = await reads.query('select count(*) from events')
  return Number(rows[0].count)
}
