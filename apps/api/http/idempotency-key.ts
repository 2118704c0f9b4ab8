import type { FastifyRequest } from 'fastify'
import { Problem } from './problem.js'
import { singleHeader } from './request-context.js'

const KEY = /^[\x21-\x7e]{1,255}$/
const STRONG_ETAG = /^"(0|[1-9]\d{0,14})"$/

/**
 * The key under which a retry gets the first answer; null without the header.
 *
 * @throws Problem idempotency_key_invalid unless it is 1 to 255 visible ASCII characters
 */
export function idempotencyKeyOf(request: FastifyRequest): string | null {
  const key = singleHeader(request, 'idempotency-key')
  if (key === undefined) return null
  if (!KEY.test(key)) {
    const what = key.length === 0 ? 'empty' : `${key.length} characters long or not visible ASCII`
    throw new Problem('idempotency_key_invalid', `The Idempotency-Key is ${what}`)
  }
  return key
}

/**
 * The version a write expects: a number, `*` for "any, but it must exist", null without the header.
 *
 * @throws Problem weak_etag, bad_header
 */
export function ifMatchOf(request: FastifyRequest): number | '*' | null {
  const header = singleHeader(request, 'if-match')?.trim()
  if (header === undefined) return null
  if (header === '*') return '*'
  if (header.startsWith('W/')) {
    throw new Problem('weak_etag', 'If-Match holds a weak ETag, which says nothing about the bytes')
  }
  const version = STRONG_ETAG.exec(header)?.[1]
  if (version === undefined) {
    throw new Problem('bad_header', 'If-Match is neither * nor one version in quotes', {
      hint: 'Send the ETag as it was returned, e.g. If-Match: "7".',
    })
  }
  return Number(version)
}

/** True when `If-None-Match` names this version, so that a read is answered 304 without a body. */
export function isNotModified(request: FastifyRequest, version: number): boolean {
  const header = singleHeader(request, 'if-none-match')
  if (header === undefined) return false
  return header.split(',').some((tag) => {
    const strong = tag.trim().replace(/^W\//, '')
    return strong === '*' || strong === `"${version}"`
  })
}
