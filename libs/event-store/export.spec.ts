import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { insertion, tenantId } from '../../test/support/log.js'
import { openSealedLog, type SealedLog } from '../../test/support/sealed-log.js'
import { exportLog } from './export.js'
import { verifyExport } from './export-check.js'
import { settledPosition } from './settled.js'

let sealed: SealedLog
let whole: string[]

beforeAll(async () => {
  sealed = await openSealedLog(400, 3)
  const writer = sealed.log.openWriter()
  const id = await sealed.log.createBlock(writer)
  await writer.submit(insertion(id, 'not signed yet'))
  await writer.close()
  whole = await exported({})
})

afterAll(() => sealed.close())

async function exported(options: { after?: number; streamId?: string }): Promise<string[]> {
  const client = await sealed.log.reads.connect()
  const upTo = await settledPosition(client)
  let text = ''
  for await (const piece of exportLog(client, { tenantId, upTo, ...options })) text += piece
  client.release()
  return text.trimEnd().split('\n')
}

function verified(lines: readonly string[]) {
  return verifyExport(lines, { keys: sealed.keys })
}

function position(line: string | undefined): number {
  return (JSON.parse(line as string) as { position: number }).position
}

describe('an export', () => {
  it('is verified by itself, with the public key alone', async () => {
    expect(whole).toHaveLength(1 + 405 + 1)
    const result = await verified(whole)
    expect(result).toMatchObject({
      ok: true,
      events: 405,
      streams: 4,
      checkpoints: 1,
      covered: 403,
    })
    expect(JSON.parse(whole[1] as string)).toMatchObject({
      specversion: '1.0',
      type: 'BlockCreated',
      version: 1,
      payload: expect.stringContaining('"intent"'),
    })
  })

  it('does not verify with a key that did not sign it', async () => {
    const result = await verifyExport(whole, { keys: new Map() })
    expect(result).toMatchObject({ ok: false, covered: 0, findings: [{ kind: 'signature' }] })
  })

  it('goes on after any line it was interrupted at, and is one export then', async () => {
    for (const lines of [2, 100, 250, 404]) {
      const rest = await exported({ after: position(whole[lines - 1]) })
      const joined = [...whole.slice(0, lines), ...rest]
      expect(await verified(joined)).toMatchObject({ ok: true, events: 405, covered: 403 })
    }
  })

  it('of what is new is verified from where it begins', async () => {
    const part = await exported({ after: position(whole[50]) })
    expect(await verified(part)).toMatchObject({ ok: true, events: 355, covered: 403 })
  })

  it('of one block proves that its history is in the log that was signed', async () => {
    const id = (JSON.parse(whole[1] as string) as { stream_id: string }).stream_id
    const block = await exported({ streamId: id })
    expect(await verified(block)).toMatchObject({ ok: true, streams: 1, checkpoints: 1 })
    const forged = block.map((line) => line.replace('line 3', 'line 4'))
    expect((await verified(forged)).ok).toBe(false)
  })

  it.each<[string, (lines: string[]) => string[], string]>([
    ['a changed payload', (l) => l.with(9, line(l, 9).replace('line', 'lime')), 'payload'],
    ['a changed time', (l) => l.with(9, line(l, 9).replace(/"time":"2/, '"time":"3')), 'header'],
    ['a missing event', (l) => l.toSpliced(9, 1), 'version'],
    ['a missing end', (l) => l.slice(0, 300), 'missing'],
    ['a missing manifest', (l) => l.slice(0, -1), 'missing'],
    ['two lines swapped', (l) => l.with(9, line(l, 10)).with(10, line(l, 9)), 'format'],
    ['a line that is none', (l) => l.toSpliced(9, 0, '{"half":'), 'format'],
    ['a changed root', (l) => l.with(0, line(l, 0).replace(/"root":"./, '"root":"x')), 'signature'],
  ])('does not verify with %s', async (_, change, kind) => {
    const { ok, findings } = await verified(change(whole))
    expect(ok).toBe(false)
    expect(findings.map((finding) => finding.kind)).toContain(kind)
  })
})

function line(lines: readonly string[], at: number): string {
  return lines[at] as string
}
