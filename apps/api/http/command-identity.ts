import { createHash, randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Accepted, CommandMetadata, Outcome } from '#commands/metadata.js'
import { type IdPrefix, idFromBytes } from '#domain/ids.js'
import { derivedId } from '#read-models/derived-id.js'
import { TENANT } from '../tenant.js'
import { idempotencyKeyOf } from './idempotency-key.js'
import { Problem } from './problem.js'
import { QueryReader } from './query.js'
import { actorOf, principalOf } from './request-context.js'

/**
 * Who asks for a command, and how a retry of it is recognised: the principal with its
 * `Idempotency-Key`, and a hash of what was asked.
 *
 * @throws Problem idempotency_key_invalid
 */
export function commandMetadata(request: FastifyRequest): CommandMetadata {
  const key = idempotencyKeyOf(request)
  return {
    tenantId: TENANT,
    actor: actorOf(request),
    dryRun: isDryRun(request),
    ...(key === null
      ? {}
      : {
          command: { id: `${principalOf(request)}:${key}`, fingerprint: fingerprint(request) },
        }),
  }
}

/**
 * An id for something to be made. With an `Idempotency-Key` it follows from the key, so that a retry
 * meets what the first attempt made.
 *
 * @param parts tell apart what one request makes
 */
export function newId(
  request: FastifyRequest,
  prefix: IdPrefix,
  ...parts: readonly (string | number)[]
): string {
  const key = idempotencyKeyOf(request)
  if (key === null) return idFromBytes(prefix, randomBytes(16))
  return derivedId(prefix, TENANT, principalOf(request), key, ...parts)
}

/**
 * What the command came to. A stored answer says that it is one, refusals included.
 *
 * @throws Problem the refusal
 */
export function accepted<T>(
  outcome: Outcome<T>,
  reply: FastifyReply,
  baseVersion: number | null = null,
): Accepted<T> {
  if (outcome.replayed) reply.header('idempotent-replayed', 'true')
  if (!outcome.ok) throw Problem.of(outcome.rejection, baseVersion)
  return outcome
}

/** The answer alone. */
export function settled<T>(outcome: Outcome<T>, reply: FastifyReply): T {
  return accepted(outcome, reply).value
}

/**
 * True for a command that is only to be tried: `?dry_run=true`.
 *
 * @throws Problem invalid_query
 */
export function isDryRun(request: FastifyRequest): boolean {
  return new QueryReader(request.query).flag('dry_run') ?? false
}

/** Method, path, query and body; keys in order, so that a retry may write them in another one. */
export function fingerprint(request: FastifyRequest): Buffer {
  const [whole = '', query = ''] = (request.raw.url ?? '').split('?', 2)
  const sorted = query === '' ? '' : `?${query.split('&').sort().join('&')}`
  const path = `${whole.replace(/\/$/, '')}${sorted}`
  const body = JSON.stringify(request.body ?? null, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
  return createHash('sha256').update(`${request.method}\n${path}\n${body}`).digest()
}
