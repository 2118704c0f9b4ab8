import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { readConfig } from '#adapters/config.js'
import { type Product, startProduct } from './support/product.js'

const ROOTS = ['apps', 'libs', 'test', 'docs', 'migrations', '.ci', 'node_modules', 'dist']
const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const readme = readFileSync('README.md', 'utf8')
const scripts = (JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object }).scripts

describe.each(pages.map((page) => [page, readFileSync(page, 'utf8')] as const))(
  '%s',
  (page, text) => {
    it('names only files that are there', () => {
      const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, to]) =>
        join(dirname(page), to as string),
      )
      const names = [...text.matchAll(/`([\w.@-]+(?:\/[\w.@-]+)*)`/g)]
        .map(([, name]) => name as string)
        .filter((name) => ROOTS.includes(name.split('/')[0] as string) && name.includes('/'))
      expect([...links, ...names].filter((name) => !existsSync(name))).toEqual([])
    })

    it('names only npm scripts that are there', () => {
      const named = [...text.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name]) => name as string)
      expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
    })

    it('names only tests that are there, by their titles', () => {
      expect(promises(text).flatMap(missingTitles)).toEqual([])
    })
  },
)

describe('README.md', () => {
  it('names a test for every promise', () => {
    const table = readme.split('## Guarantees so far')[1]?.split('\n## ')[0] ?? ''
    const rows = table.split('\n').filter((line) => /^\| (?!promise)/.test(line))
    expect(rows.length).toBeGreaterThan(10)
    expect(rows.filter((row) => promises(row).length === 0)).toEqual([])
  })

  it('lists every variable of the configuration, with its default', () => {
    const source = readFileSync('libs/adapters/config.ts', 'utf8')
    const known = [...source.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name as string)
    const listed = new Map(
      [...readme.matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \|/gm)].map(([, name, value]) => [
        name as string,
        (value as string).trim(),
      ]),
    )
    // The supervisor's own, for its children.
    const own = ['PALIMPSEST_EMBEDDED']
    expect([...listed.keys()].sort()).toEqual(known.filter((name) => !own.includes(name)).sort())
    const config = readConfig({})
    expect(listed.get('PORT')).toBe(String(config.port))
    expect(listed.get('HOST')).toBe(config.host)
    expect(listed.get('PALIMPSEST_DATA_DIR')).toBe(config.dataDir)
    expect(listed.get('PALIMPSEST_TURNS')).toBe(String(config.turns))
  })
})

describe("the programs of README.md with Letta's clients", () => {
  const programs = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code as string)
  let product: Product

  beforeAll(async () => {
    product = await startProduct()
  })

  afterAll(() => product.close())

  it('run as they stand', async () => {
    expect(programs).toHaveLength(2)
    const [newer, older] = await Promise.all(programs.map(run))
    expect(newer).toMatch(/^Organization: Letta\nAgent1: \[simulated\] \S.*\n$/)
    expect(older).toMatch(/^\[.*\]\n$/)
  })

  async function run(program: string): Promise<string> {
    const code = program
      .replaceAll('http://localhost:8283', product.url)
      // Both generations have one name; here the older is installed under another.
      .replace(/(import \{ LettaClient \} from )'[^']+'/, "$1'letta-client-legacy'")
    const args = ['--input-type=module', '-e', code]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
    expect(stderr).toBe('')
    return stdout
  }
})

interface NamedTest {
  readonly files: readonly string[]
  readonly titles: readonly string[]
}

/** Lines that name spec files in backticks and titles in double quotes: `file` "title" · "title". */
function promises(text: string): NamedTest[] {
  return text.split('\n').flatMap((line) => {
    const files = [...line.matchAll(/`((?:apps|libs|test)\/[\w./-]+\.spec\.ts)`/g)]
    const named = line.slice(files[0]?.index ?? line.length)
    const titles = [...named.matchAll(/(?<!\w)"([^"]+)"/g)]
    if (files.length === 0 || titles.length === 0) return []
    return [{ files: files.map((m) => m[1] as string), titles: titles.map((m) => m[1] as string) }]
  })
}

/** Each title stands in one of the files named beside it, and every file has one of the titles. */
function missingTitles({ files, titles }: NamedTest): string[] {
  const texts = files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''))
  const quoted = (title: string): string[] => [`'${title}'`, `"${title}"`, `\`${title}\``]
  const holds = (text: string, title: string): boolean =>
    quoted(title).some((form) => text.includes(form))
  return [
    ...titles.filter((title) => !texts.some((text) => holds(text, title))),
    ...files.filter((_, i) => !titles.some((title) => holds(texts[i] as string, title))),
  ]
}
