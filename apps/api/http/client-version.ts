import type { FastifyRequest } from 'fastify'

/**
 * True for Letta's clients before 1.0, which expect whole objects in lists. Told as Letta's servers
 * tell it: only the newer clients send a package version; otherwise the version behind the last
 * slash of the user agent decides. A user agent without a slash is an old client, none is a new one.
 */
export function isLegacyClient(request: FastifyRequest): boolean {
  const { 'x-stainless-package-version': packageVersion, 'user-agent': userAgent } = request.headers
  if (packageVersion !== undefined || userAgent === undefined) return false
  const slash = userAgent.lastIndexOf('/')
  return slash < 0 || userAgent.startsWith('0.', slash + 1)
}
