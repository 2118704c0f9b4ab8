import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { echo } from '#domain/errors.js'
import { jsonPointer } from '#producer/json-pointer.js'
import { type FieldError, Problem } from './problem.js'

/** Most bytes of a body. */
export const BODY_BYTES_MAX = 1_048_576
const DEPTH_MAX = 32
const KEYS_MAX = 10_000
/** Bytes of a body that is too large which are still read, so that the client gets to see the answer. */
const DRAIN_BYTES_MAX = 16_777_216

const RESERVED_KEYS = new Set(['__proto__', 'constructor'])
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/**
 * The bytes of a body. A longer one is read on and thrown away up to a bound before it is refused:
 * closing a connection on unread bytes resets it, and the client would never learn why.
 *
 * @throws Problem body_too_large, bad_framing
 */
export async function readBody(stream: Readable, bytesMax = BODY_BYTES_MAX): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length
      if (bytes <= bytesMax) chunks.push(chunk)
      else if (bytes > DRAIN_BYTES_MAX) break
    }
  } catch (cause) {
    throw new Problem('bad_framing', 'The body ended before its declared length', { cause })
  }
  if (bytes > bytesMax) {
    throw new Problem('body_too_large', `The body has more than ${bytesMax} bytes`, {
      facts: { limit: bytesMax },
      headers: { connection: 'close' },
    })
  }
  return Buffer.concat(chunks, bytes)
}

/**
 * The JSON value of a body, undefined for an empty one. Of duplicate keys the last one counts.
 *
 * @throws Problem unsupported_media_type, bad_encoding, too_deep, too_many_keys, bad_json,
 *   reserved_key, number_out_of_range
 */
export function parseJson(bytes: Uint8Array, headers: IncomingHttpHeaders): unknown {
  if (bytes.length === 0) return undefined
  checkMediaType(headers)
  const text = decode(bytes)
  const strayNumber = scan(text)
  const value = parse(text)
  const faults = treeFaults(value, [])
  const number = strayNumber === null ? [] : [outOfRange('', strayNumber)]
  const errors = faults.length > 0 ? faults : number
  const [first] = errors
  if (!first) return value
  throw new Problem(first.code, `${first.pointer || 'The body'}: ${first.message}`, { errors })
}

function checkMediaType(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase()
  if (encoding && encoding !== 'identity') {
    throw unsupported(`content-encoding ${echo(encoding)} is not supported`)
  }
  const type = headers['content-type']
  if (type === undefined) throw unsupported('The body has no content-type')
  const [media, ...parameters] = type.split(';').map((part) => part.trim().toLowerCase())
  if (media !== 'application/json') throw unsupported(`${echo(type)} is not application/json`)
  for (const parameter of parameters) {
    const charset = /^charset\s*=\s*"?([^"]*)"?$/.exec(parameter)?.[1]
    if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
      throw unsupported(`charset ${echo(charset)} is not utf-8`)
    }
  }
}

function unsupported(detail: string): Problem {
  return new Problem('unsupported_media_type', detail)
}

function decode(bytes: Uint8Array): string {
  try {
    // ignoreBOM keeps a byte order mark in the text, where JSON.parse refuses it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new Problem('bad_encoding', 'The body is not valid UTF-8', { cause })
  }
}

/**
 * One pass over the text before any tree is built: depth and number of keys are bounded, and the
 * first number that a double cannot hold faithfully is returned.
 */
function scan(text: string): string | null {
  let depth = 0
  let keys = 0
  let stray: string | null = null
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string
    if (c === '"') i = closingQuote(text, i)
    else if (c === '{' || c === '[') {
      if (++depth > DEPTH_MAX) throw tooDeep()
    } else if (c === '}' || c === ']') depth--
    else if (c === ':') {
      if (++keys > KEYS_MAX) throw tooManyKeys()
    } else if (c === '-' || (c >= '0' && c <= '9')) {
      NUMBER.lastIndex = i
      const token = NUMBER.exec(text)?.[0]
      if (token === undefined) continue
      if (stray === null && !isFaithful(token)) stray = token
      i += token.length - 1
    }
  }
  return stray
}

function closingQuote(text: string, open: number): number {
  let i = open + 1
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1
  return i
}

/** Beyond 2^53 neighbours collapse into one number; a tiny one collapses into zero. */
function isFaithful(token: string): boolean {
  const value = Number(token)
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return false
  return value !== 0 || !/[1-9]/.test(token.split(/[eE]/, 1)[0] as string)
}

function tooDeep(): Problem {
  return new Problem('too_deep', `The JSON is nested more than ${DEPTH_MAX} levels deep`, {
    facts: { limit: DEPTH_MAX },
  })
}

function tooManyKeys(): Problem {
  return new Problem('too_many_keys', `The JSON has more than ${KEYS_MAX} keys`, {
    facts: { limit: KEYS_MAX },
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const hint = badJsonHint(text)
    throw new Problem('bad_json', 'The body is not valid JSON', { cause, ...(hint && { hint }) })
  }
}

function badJsonHint(text: string): string | undefined {
  if (text.startsWith('\ufeff')) return 'Remove the byte order mark at the beginning.'
  if (/[[:,]\s*-?(NaN|Infinity)\b/.test(text)) return 'JSON has no NaN and no Infinity: send null.'
  if (/[[{:,]\s*'/.test(text)) return 'JSON puts keys and strings in double quotes.'
  return undefined
}

/** Reserved keys and numbers out of range, each with its place. The depth is bounded by then. */
function treeFaults(value: unknown, path: readonly PropertyKey[]): FieldError[] {
  if (typeof value === 'number') {
    if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return []
    return [outOfRange(jsonPointer(path), String(value))]
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, member]) => {
    const below = [...path, key]
    if (!RESERVED_KEYS.has(key)) return treeFaults(member, below)
    const message = `the key ${key} is reserved`
    return [{ pointer: jsonPointer(below), code: 'reserved_key', message } as const]
  })
}

function outOfRange(pointer: string, number: string): FieldError {
  return {
    pointer,
    code: 'number_out_of_range',
    message: `${echo(number, 40)} is a number that cannot be kept exactly`,
  }
}
