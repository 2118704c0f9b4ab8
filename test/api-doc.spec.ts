import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from '@jest/globals'

const FOLDER = 'apps/api'
const ROUTE = /@(Get|Post|Put|Patch|Delete)\((?:'([^']*)')?\)/g

/** `GET /v1/blocks/{block_id}` for every handler, read from the controllers' decorators. */
function routes(): string[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.controller.ts'))
  return files.flatMap((name) => {
    const text = readFileSync(`${FOLDER}/${name}`, 'utf8')
    const prefix = /@Controller\((?:'([^']*)')?\)/.exec(text)?.[1] ?? ''
    return [...text.matchAll(ROUTE)].map(([, method, path]) => {
      const parts = [prefix, path].filter(Boolean).join('/')
      return `${method?.toUpperCase()} /${parts.replaceAll(/:(\w+)/g, '{$1}')}`
    })
  })
}

it('docs/api.md lists every route that is served, and no other', () => {
  const text = readFileSync('docs/api.md', 'utf8')
  const listed = [...text.matchAll(/`((?:GET|POST|PUT|PATCH|DELETE) \/[^`?\s]*)/g)].map((m) => m[1])
  expect([...new Set(listed)].sort()).toEqual(routes().sort())
})
