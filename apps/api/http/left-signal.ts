import type { FastifyReply } from 'fastify'

/** Aborted once the client is gone: there is nobody left to answer. */
export function leftSignal(reply: FastifyReply): AbortSignal {
  const left = new AbortController()
  reply.raw.once('close', () => left.abort())
  if (reply.raw.destroyed) left.abort()
  return left.signal
}
