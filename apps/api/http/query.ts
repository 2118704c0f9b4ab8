import type { PipeTransform } from '@nestjs/common'
import { echo } from '#domain/errors.js'
import { type IdPrefix, parseId } from '#domain/ids.js'
import { Problem } from './problem.js'

/** Most items of any list. */
export const LIMIT_MAX = 1_000

export type Order = 'asc' | 'desc'

export interface Page {
  readonly limit: number
  readonly order: Order
  /** Ids, exclusive, relative to `order`: `after` is further along the listing. */
  readonly before: string | null
  readonly after: string | null
}

interface PageDefaults {
  readonly limit: number
  readonly order: Order
  /** What the list's cursors are: ids of this prefix. */
  readonly cursor: IdPrefix
}

/**
 * The query of a request, read parameter by parameter with the types each one has. A parameter that
 * nobody asks for is ignored, as existing clients expect; `only` refuses it on routes of our own.
 *
 * @throws Problem invalid_query, naming the parameter
 */
export class QueryReader {
  private readonly values: Readonly<Record<string, unknown>>

  constructor(query: unknown) {
    this.values = (query ?? {}) as Record<string, unknown>
  }

  /** A parameter that may stand once. */
  text(name: string): string | undefined {
    this.refuseBrackets(name)
    const value = this.values[name]
    if (Array.isArray(value)) throw invalid(name, 'is there more than once')
    return value as string | undefined
  }

  /** A parameter that may be repeated: `tags=a&tags=b`. */
  texts(name: string): string[] {
    this.refuseBrackets(name)
    const value = this.values[name]
    return value === undefined ? [] : ([value].flat() as string[])
  }

  flag(name: string): boolean | undefined {
    const value = this.text(name)
    if (value === undefined || value === 'true' || value === 'false') {
      return value === undefined ? undefined : value === 'true'
    }
    throw invalid(name, 'is neither true nor false')
  }

  integer(name: string, range: { readonly min: number; readonly max: number }): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (number >= range.min && number <= range.max) return number
    throw invalid(name, `is not a whole number from ${range.min} to ${range.max}`)
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name)
    const found = choices.find((choice) => choice === value)
    if (found === undefined && value !== undefined) {
      throw invalid(name, `is not one of ${choices.join(', ')}`)
    }
    return found
  }

  id(name: string, prefix: IdPrefix): string | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    const id = parseId(prefix, value)
    if (id === null) throw invalid(name, `is not the id of a ${prefix}`)
    return id
  }

  /** `limit`, `order`, `before` and `after`, with the defaults of the list. */
  page(defaults: PageDefaults): Page {
    return {
      limit: this.integer('limit', { min: 1, max: LIMIT_MAX }) ?? defaults.limit,
      order: this.choice('order', ['asc', 'desc']) ?? defaults.order,
      before: this.cursor('before', defaults.cursor),
      after: this.cursor('after', defaults.cursor),
    }
  }

  only(...names: readonly string[]): void {
    const unknown = Object.keys(this.values).find((name) => !names.includes(name))
    if (unknown !== undefined) throw invalid(unknown, 'is not known here')
  }

  /** A cursor that names nothing must never restart at the first page: a client would loop for ever. */
  private cursor(name: string, prefix: IdPrefix): string | null {
    const value = this.text(name)
    if (value === undefined) return null
    const id = parseId(prefix, value)
    if (id === null) throw invalidCursor(value)
    return id
  }

  private refuseBrackets(name: string): void {
    const bracketed = Object.keys(this.values).find((key) => key.startsWith(`${name}[`))
    if (bracketed) throw invalid(bracketed, `is not known: repeat ${name} instead`)
  }
}

/** The refusal of a cursor, well-formed or not, that this list did not hand out. */
export function invalidCursor(cursor: string): Problem {
  return new Problem('invalid_cursor', 'The cursor is not one of this list', {
    facts: { cursor: echo(cursor) },
  })
}

/** @example list(@Query(asQuery) query: QueryReader) */
export const asQuery: PipeTransform<unknown, QueryReader> = {
  transform: (value) => new QueryReader(value),
}

function invalid(name: string, what: string): Problem {
  return new Problem('invalid_query', `The query parameter ${echo(name)} ${what}`, {
    facts: { parameter: echo(name) },
  })
}
