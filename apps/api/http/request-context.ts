import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Actor } from '#domain/actor.js'
import { length } from '#domain/text.js'
import { Problem } from './problem.js'

/** Who calls: what the door found out, before anything else of the request is read. */
export interface Caller {
  readonly actor: Actor
  /** The credential's identity: a key of idempotency holds within one principal. */
  readonly principal: string
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null
  }
}

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/
const CLAIMED_NAME_LENGTH_MAX = 200

/** The caller's `x-request-id` when it is 1 to 128 visible ASCII characters, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : newRequestId()
}

export function newRequestId(): string {
  return `req-${randomUUID()}`
}

/**
 * The value of a header that may stand only once; Node keeps the first of two in silence.
 *
 * @throws Problem bad_header when it is repeated
 */
export function singleHeader(request: FastifyRequest, name: string): string | undefined {
  const { rawHeaders } = request.raw
  let found: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== name) continue
    if (found !== undefined) {
      throw new Problem('bad_header', `The header ${name} is there more than once`)
    }
    found = rawHeaders[i + 1]
  }
  return found
}

/**
 * The name a caller claims with Letta's `user_id` header. It is recorded beside the actor and
 * grants nothing.
 *
 * @throws Problem bad_header when it is longer than 200 code points or not UTF-8
 */
export function claimedName(request: FastifyRequest): string | undefined {
  const header = singleHeader(request, 'user_id')
  if (header === undefined || header === '') return undefined
  const bad = (what: string) => new Problem('bad_header', `The header user_id ${what}`)
  let name: string
  try {
    // Node hands header bytes over as Latin-1.
    name = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(header, 'latin1'))
  } catch {
    throw bad('is not UTF-8')
  }
  if (/\p{Cc}/u.test(name)) throw bad('contains control characters')
  if (length(name) > CLAIMED_NAME_LENGTH_MAX) {
    throw bad(`is longer than ${CLAIMED_NAME_LENGTH_MAX} characters`)
  }
  return name
}

/** Who acts, for events and errors. */
export function actorOf(request: FastifyRequest): Actor {
  return callerOf(request).actor
}

/** The principal an idempotency key belongs to. */
export function principalOf(request: FastifyRequest): string {
  return callerOf(request).principal
}

function callerOf(request: FastifyRequest): Caller {
  if (!request.caller) throw new Error('the door has not seen this request')
  return request.caller
}
