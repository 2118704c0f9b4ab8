import { appendFileSync, readFileSync, rmSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import pg from 'pg'
import { auditDirectory } from '#adapters/audit-directory.js'
import { CheckpointFile, readCheckpointFile } from '#adapters/checkpoint-file.js'
import { openSigningKey } from '#adapters/signing-key.js'
import { insertion, tenantId } from '../../test/support/log.js'
import { openSealedLog, type SealedLog, verifyDatabase } from '../../test/support/sealed-log.js'
import { type CheckpointSink, holds, type OutsideCheckpoint } from './checkpoint.js'
import { listCheckpoints, newestCheckpoint } from './checkpoint-table.js'
import { CheckpointMaker } from './checkpoints.js'
import { Frontier, leafHash, verifyConsistency, verifyInclusion } from './merkle.js'
import { proveConsistency, proveInclusion } from './proofs.js'

let sealed: SealedLog

beforeEach(async () => {
  sealed = await openSealedLog(600, 2)
})

afterEach(() => sealed.close())

async function outside(): Promise<OutsideCheckpoint[]> {
  const all: OutsideCheckpoint[] = []
  const { checkpoints } = auditDirectory(sealed.dataDir)
  for await (const checkpoint of readCheckpointFile(checkpoints)) all.push(checkpoint)
  return all
}

const page = { after: 0, limit: 100, order: 'asc' } as const

function maker(sink: CheckpointSink): CheckpointMaker {
  return new CheckpointMaker({
    pool: sealed.log.reads,
    tenantIds: [tenantId],
    signer: openSigningKey(sealed.dataDir),
    sink,
    onError: () => {},
  })
}

async function write(count: number): Promise<void> {
  const writer = sealed.log.openWriter()
  const id = await sealed.log.createBlock(writer)
  for (let i = 1; i < count; i++) await writer.submit(insertion(id, `${i}`))
  await writer.close()
}

describe('checkpoints', () => {
  it('cover the log in order, are signed, and stand outside the database as well', async () => {
    const stored = await listCheckpoints(sealed.log.reads, tenantId, page)
    const copy = await outside()
    expect(copy.map(({ size, root }) => ({ size, root }))).toEqual(
      stored.map(({ size, root }) => ({ size, root })),
    )
    expect(stored.at(-1)?.size).toBe(602)
    const { rows } = await sealed.log.reads.query('select hash from events order by position')
    const tree = Frontier.empty()
    for (const { hash } of rows) {
      tree.append(hash)
      const due = stored.find(({ size }) => size === tree.size)
      if (due) expect(due.root).toEqual(tree.root())
    }
    for (const checkpoint of stored) {
      expect(holds(checkpoint, sealed.keys)).toBe(true)
      expect(holds({ ...checkpoint, size: checkpoint.size + 1 }, sealed.keys)).toBe(false)
    }
    const { checkpoints, signingKey } = auditDirectory(sealed.dataDir)
    expect([checkpoints, signingKey].map((path) => statSync(path).mode & 0o777)).toEqual([
      0o600, 0o600,
    ])
  })

  it('prove each event in them, and that each extends the ones before', async () => {
    const { reads } = sealed.log
    const stored = await listCheckpoints(reads, tenantId, page)
    const { rows } = await reads.query('select position, hash from events order by position')
    for (const checkpoint of stored) {
      for (const index of [0, 1, 255, 256, 511, 512, checkpoint.size - 1]) {
        const { position, hash } = rows[index]
        const proof = await proveInclusion(reads, checkpoint, Number(position))
        if (index >= checkpoint.size) expect(proof).toBeNull()
        else {
          expect(proof).toMatchObject({ index, hash })
          const leaf = { index, hash: leafHash(hash) }
          expect(verifyInclusion(checkpoint, leaf, proof?.proof ?? [])).toBe(true)
        }
      }
      for (const first of stored.filter(({ size }) => size <= checkpoint.size)) {
        const proof = await proveConsistency(reads, first.size, checkpoint)
        expect(verifyConsistency(first, checkpoint, proof)).toBe(true)
      }
    }
  })

  it('are not lost when the copy outside cannot be written: they are offered again', async () => {
    const file = new CheckpointFile(sealed.dataDir)
    let failing = true
    const sink: CheckpointSink = {
      last: (tenant) => file.last(tenant),
      append: (all) => (failing ? Promise.reject(new Error('disk full')) : file.append(all)),
    }
    const making = maker(sink)
    for (let round = 1; round <= 2; round++) {
      await write(5)
      while ((await newestCheckpoint(sealed.log.reads, tenantId))?.size !== 602 + 5 * round) {
        await making.make().catch((error) => expect(String(error)).toContain('disk full'))
      }
    }
    expect((await outside()).at(-1)?.size).toBe(602)
    failing = false
    await making.make()
    await making.close()
    expect((await outside()).map(({ size }) => size).slice(-3)).toEqual([602, 607, 612])
    expect((await outside()).at(-1)?.marks).toHaveLength(4 * 5)
    expect((await verifyDatabase(sealed.log.url, sealed, 'outside')).ok).toBe(true)
  })

  it('are offered again by the next process, and half a line does not swallow the next', async () => {
    const { checkpoints } = auditDirectory(sealed.dataDir)
    const first = readFileSync(checkpoints, 'utf8').split('\n')[0] as string
    rmSync(checkpoints)
    appendFileSync(checkpoints, `${first}\n${first.slice(0, 40)}`)
    await sealed.seal()
    const making = maker(new CheckpointFile(sealed.dataDir))
    await making.make()
    await making.close()
    expect((await outside()).at(-1)?.size).toBe(602)
    expect((await verifyDatabase(sealed.log.url, sealed, 'outside')).findings).toEqual([])
  })

  it('are made by one process at a time, and by the next as soon as that one has closed', async () => {
    const [one, two] = [1, 2].map(() => maker(new CheckpointFile(sealed.dataDir)))
    expect(await one?.make()).toBe(true)
    expect(await two?.make()).toBe(false)
    await one?.close()
    expect(await two?.make()).toBe(true)
    await two?.close()
  })

  it('are refused over a log that was put back to an earlier state', async () => {
    const owner = new pg.Client({ connectionString: sealed.log.url })
    await owner.connect()
    await owner.query('delete from audit_checkpoints where size > 300')
    const making = maker(new CheckpointFile(sealed.dataDir))
    await expect(making.make()).rejects.toMatchObject({ reason: 'head_regressed' })
    await making.close()
    await owner.end()
    expect((await outside()).at(-1)?.size).toBe(602)
  })

  it('are refused over one whose edge was changed', async () => {
    const owner = new pg.Client({ connectionString: sealed.log.url })
    await owner.connect()
    await owner.query(`update audit_checkpoints set frontier = sha256('x') || substr(frontier, 33)`)
    const making = maker(new CheckpointFile(sealed.dataDir))
    await expect(making.make()).rejects.toMatchObject({ reason: 'log_altered' })
    await making.close()
    await owner.end()
  })

  it('cannot be forged in the database: a signature of another key is found', async () => {
    const owner = new pg.Client({ connectionString: sealed.log.url })
    await owner.connect()
    await owner.query(
      `update audit_checkpoints set time = time + interval '1 hour' where size = 602`,
    )
    await owner.end()
    const { ok, findings } = await verifyDatabase(sealed.log.url, sealed, 'chain alone')
    expect(ok).toBe(false)
    expect(findings).toMatchObject([{ kind: 'signature' }])
  })
})
