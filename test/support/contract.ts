import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join('test', 'contract')

/** A memory-tool vector: one call on one block, and what must come of it. */
export interface Vector {
  readonly name: string
  readonly tool: string
  readonly block: {
    label: string
    value: string
    limit?: number
    read_only?: boolean
    description?: string
  }
  readonly args: Readonly<Record<string, unknown>>
  readonly expect: {
    readonly value?: string
    readonly changed?: false
    readonly effect?: readonly { offset: number; delete: number; insert: string }[]
    readonly error?: { readonly code: string; readonly textContains: string }
    /** A new block of the calling agent. */
    readonly created?: {
      readonly label: string
      readonly value: string
      readonly description: string
    }
    readonly attached?: false
    readonly label?: string
    readonly description?: string
  }
}

export function vectors(): Vector[] {
  return JSON.parse(readFileSync(join(FOLDER, 'vectors.json'), 'utf8'))
}

/** A sample of the wire, as its clients read it. */
export function golden<T = Record<string, unknown>>(name: string): T {
  return JSON.parse(readFileSync(join(FOLDER, 'golden', `${name}.json`), 'utf8'))
}

/** The chunks of a sample of a stream. */
export function goldenChunks(name: string): Record<string, unknown>[] {
  const text = readFileSync(join(FOLDER, 'golden', `${name}.txt`), 'utf8')
  return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json as string))
}
