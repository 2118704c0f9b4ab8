import { Injectable, type PipeTransform } from '@nestjs/common'
import { echo } from '#domain/errors.js'
import { type IdPrefix, parseId } from '#domain/ids.js'
import { Problem } from './problem.js'

/** A URL longer than this is refused before it is looked at. */
export const URL_LENGTH_MAX = 16_384

const KEY_PARAMETERS = new Set(['api_key', 'token', 'access_token'])

@Injectable()
class PathId implements PipeTransform<unknown, string> {
  constructor(private readonly prefix: IdPrefix) {}

  transform(value: unknown): string {
    const text = String(value)
    // Only ASCII: some other letters lower-case into it.
    const id = /^[\x21-\x7e]+$/.test(text) ? parseId(this.prefix, text) : null
    if (id === null) {
      throw new Problem('invalid_id', `${echo(text)} is not the id of a ${this.prefix}`, {
        hint: `A ${this.prefix} id is ${this.prefix}- and a version 4 UUID, as the API returned it.`,
      })
    }
    return id
  }
}

/**
 * A path parameter that is an id, in lower case.
 *
 * @example get(@Param('block_id', pathId('block')) id: string)
 */
export function pathId(prefix: IdPrefix): PipeTransform<unknown, string> {
  return new PathId(prefix)
}

/**
 * Checks the request target as it was sent, before any handler sees a decoded form of it.
 *
 * @throws Problem uri_too_long, bad_path, key_in_url, invalid_query
 */
export function checkUrl(url: string): void {
  if (url.length > URL_LENGTH_MAX) {
    throw new Problem('uri_too_long', `The URL has more than ${URL_LENGTH_MAX} characters`, {
      facts: { limit: URL_LENGTH_MAX },
    })
  }
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = mark < 0 ? '' : url.slice(mark + 1)
  if (!isCleanlyEncoded(path)) {
    throw new Problem('bad_path', 'The path is not percent-encoded UTF-8 without NUL')
  }
  if (query !== '') checkQuery(query)
}

function checkQuery(query: string): void {
  for (const name of new URLSearchParams(query).keys()) {
    if (KEY_PARAMETERS.has(name.toLowerCase())) {
      throw new Problem('key_in_url', `The query parameter ${name} is not accepted`)
    }
  }
  if (!isCleanlyEncoded(query)) {
    throw new Problem('invalid_query', 'The query is not percent-encoded UTF-8 without NUL')
  }
}

function isCleanlyEncoded(text: string): boolean {
  if (!/^[\x21-\x7e]*$/.test(text) || text.includes('%00')) return false
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
