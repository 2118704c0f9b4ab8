import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { describe, expect, it } from '@jest/globals'

/** Libraries import leftwards only. Beside each, the npm packages it may know. */
const LIBRARIES: readonly (readonly [name: string, packages: readonly string[]])[] = [
  ['domain', ['diff']],
  ['producer', ['zod']],
  ['postgres', ['pg', 'kysely']],
  ['event-store', ['pg', 'kysely', 'canonicalize']],
  ['read-models', ['pg', 'kysely']],
  ['commands', ['@nestjs/common', '@nestjs/cqrs', 'kysely']],
  ['turns', ['zod']],
  [
    'adapters',
    [
      '@bull-board/api',
      'bullmq',
      'bullmq-otel',
      '@opentelemetry/api',
      'cron-parser',
      'exa-js',
      'ioredis',
      'openai',
      'pg',
      'zod',
    ],
  ],
]
const LINES_MAX = 300
const FORBIDDEN_NAMES = /(^|[-/])(utils?|common|helpers?|base|core|index)\.ts$/

interface Source {
  readonly path: string
  readonly lines: number
  readonly imports: readonly string[]
}

const sources = [...walk('libs'), ...walk('apps')].map(read)
const code = sources.filter(({ path }) => !path.endsWith('.spec.ts'))

describe('the house', () => {
  it('lets a library import only those left of it', () => {
    const order = LIBRARIES.map(([name]) => name)
    const wrong = code.filter(inLibrary).flatMap(({ path, imports }) =>
      imports
        .map((name) => libraryOf(path, name))
        .filter((to): to is string => to !== null)
        .filter((to) => order.indexOf(to) >= order.indexOf(library(path)) && to !== library(path))
        .map((to) => `${path} imports ${to}`),
    )
    expect(wrong).toEqual([])
  })

  it('lets a library know only its own npm packages; the domain one that is pure, and no clock or disk', () => {
    const wrong = code.filter(inLibrary).flatMap(({ path, imports }) => {
      const allowed = LIBRARIES.find(([name]) => name === library(path))?.[1] ?? []
      return imports
        .filter((name) => !name.startsWith('.') && !name.startsWith('#'))
        .filter((name) =>
          isBuiltin(name) ? library(path) === 'domain' : !allowed.includes(packageOf(name)),
        )
        .map((name) => `${path} imports ${name}`)
    })
    expect(wrong).toEqual([])
  })

  it('keeps apps apart from each other, and libraries apart from apps', () => {
    const wrong = code.flatMap(({ path, imports }) =>
      imports
        .filter((name) => name.startsWith('.'))
        .map((name) => relative('.', join(dirname(path), name)).split(sep))
        .filter((to) => to[0] !== path.split('/')[0] || to[1] !== path.split('/')[1])
        .map((to) => `${path} imports ${to.join('/')}`),
    )
    expect(wrong).toEqual([])
  })

  it('names one vendor in one place: each is imported by few files', () => {
    for (const vendor of ['openai', 'exa-js', 'bullmq', 'cron-parser', 'ioredis']) {
      const users = code.filter(({ imports }) => imports.some((name) => packageOf(name) === vendor))
      expect(users.map(({ path }) => dirname(path))).toEqual(users.map(() => 'libs/adapters'))
    }
  })

  it('has services that compile early: they import that before anything else', () => {
    const programs = code.filter(({ path }) => /^apps\/(api|worker)\/main\.ts$/.test(path))
    expect(programs.map(({ imports }) => imports[0])).toEqual(
      Array(2).fill('#adapters/compile-early.js'),
    )
  })

  it('has no file over 300 lines, no barrel, no drawer for odds and ends', () => {
    expect(
      sources
        .filter(({ lines }) => lines > LINES_MAX)
        .map(({ path, lines }) => `${path}: ${lines}`),
    ).toEqual([])
    expect(
      sources.filter(({ path }) => FORBIDDEN_NAMES.test(path)).map(({ path }) => path),
    ).toEqual([])
  })
})

function walk(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return walk(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

function read(path: string): Source {
  const text = readFileSync(path, 'utf8')
  const imports = [...text.matchAll(/(?:from|import|import\()\s*'([^']+)'/g)].map(
    (match) => match[1] as string,
  )
  return { path, lines: text.trimEnd().split('\n').length, imports }
}

function inLibrary({ path }: Source): boolean {
  return path.startsWith('libs/')
}

function library(path: string): string {
  return path.split('/')[1] as string
}

function libraryOf(path: string, name: string): string | null {
  if (name.startsWith('#')) return name.slice(1).split('/')[0] as string
  if (!name.startsWith('.')) return null
  const [root, to] = relative('.', join(dirname(path), name)).split(sep)
  return root === 'libs' ? (to as string) : null
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}

function isBuiltin(name: string): boolean {
  return name.startsWith('node:') || builtinModules.includes(name)
}
