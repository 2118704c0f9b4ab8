import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The version in the nearest `package.json`: sources and the build lie at different depths below it. */
export const SERVICE_VERSION = read(dirname(fileURLToPath(import.meta.url)))

function read(directory: string): string {
  const path = join(directory, 'package.json')
  if (existsSync(path)) {
    return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
  }
  const parent = dirname(directory)
  if (parent === directory) throw new Error('no package.json above the program')
  return read(parent)
}
