import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { CommandMetadata } from '#commands/metadata.js'
import { isLegacyClient } from './http/client-version.js'
import { commandMetadata, fingerprint } from './http/command-identity.js'
import { principalOf } from './http/request-context.js'

/** Without a header the messages' own de-duplication ids act as the key, if every one has its. */
export function identity(
  request: FastifyRequest,
  otids: readonly (string | null)[],
): CommandMetadata {
  const by = commandMetadata(request)
  if (by.command || otids.some((otid) => otid === null)) return by
  const id = `${principalOf(request)}:otid:${createHash('sha256').update(JSON.stringify(otids)).digest('hex')}`
  return { ...by, command: { id, fingerprint: fingerprint(request) } }
}

/** Recognises a request that is sent again without a word. */
export function hashOf(request: FastifyRequest): string {
  return createHash('sha256')
    .update(principalOf(request))
    .update('\n')
    .update(fingerprint(request))
    .digest('hex')
}

/** Newer clients number their retries; older ones repeat after an error without a sign. */
export function retryOf(request: FastifyRequest): 'numbered' | 'suspected' | null {
  if (Number(request.headers['x-stainless-retry-count'] ?? 0) >= 1) return 'numbered'
  return isLegacyClient(request) ? 'suspected' : null
}
