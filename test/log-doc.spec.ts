import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { insertion, openLog, type TestLog } from './support/log.js'
import { logExample } from './support/log-example.js'

const PATH = 'docs/log.md'
const EXAMPLE = /(<!-- example [^>]*-->\n)[\s\S]*?(<!-- \/example -->)/

describe('docs/log.md', () => {
  it('shows the bytes that the code hashes (UPDATE_DOCS=1 writes the example again)', () => {
    const text = readFileSync(PATH, 'utf8')
    const fresh = text.replace(EXAMPLE, (_, from, to) => `${from}\n${logExample()}\n${to}`)
    if (process.env['UPDATE_DOCS']) writeFileSync(PATH, fresh)
    expect(readFileSync(PATH, 'utf8')).toBe(fresh)
  })

  it('names every type of event, and no other', () => {
    const list = readFileSync('libs/domain/streams.ts', 'utf8').split('const TYPES')[1] ?? ''
    const types = [...list.matchAll(/^ {2}(\w+): true,$/gm)].map(([, type]) => type as string)
    const rows = [...readFileSync(PATH, 'utf8').matchAll(/^\| `([A-Z]\w+)` \|/gm)]
    expect(rows.map(([, type]) => type)).toEqual(types)
  })

  it('names every table', () => {
    const files = readdirSync('migrations').map((name) =>
      readFileSync(`migrations/${name}`, 'utf8'),
    )
    const tables = [...files.join('\n').matchAll(/^create table (\w+)/gm)].map(([, name]) => name)
    const rows = [...readFileSync(PATH, 'utf8').matchAll(/^\| `([a-z_]+)` \|/gm)]
    expect(rows.map(([, name]) => name)).toEqual(expect.arrayContaining(tables))
  })

  describe('its query', () => {
    let log: TestLog
    beforeAll(async () => {
      log = await openLog()
    })
    afterAll(() => log.close())

    it('finds every payload as it was hashed, and every link whole', async () => {
      const writer = log.openWriter()
      const blockId = await log.createBlock(writer, 'first 😀')
      await writer.submit(insertion(blockId, 'second "line"'))
      await writer.close()
      const query = /```sql\n([\s\S]*?)```/.exec(readFileSync(PATH, 'utf8'))?.[1] as string
      const { rows } = await log.reads.query(query.replace('block-…', blockId))
      const whole = { payload_ok: true, link_ok: true }
      expect(rows).toEqual([
        { version: 1, ...whole },
        { version: 2, ...whole },
      ])
    })
  })
})
