import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { echo } from '#domain/errors.js'
import { Problem } from './problem.js'
import { type Caller, claimedName, singleHeader } from './request-context.js'

/** What probes ask without a key. */
const OPEN_PATHS = new Set(['/v1/health', '/health/live', '/health/ready'])

/**
 * Lets a request in, or throws. With a key configured every call needs it as a bearer token, health
 * paths apart. Without one the service is bound to loopback and any token is accepted and ignored,
 * because clients always send one; then only web pages have to be kept out (`refuseWebPages`).
 *
 * @throws Problem unauthorized, bad_header
 */
export function createDoor(apiKey: string | null): (request: FastifyRequest) => Caller {
  const expected = apiKey === null ? null : sha256(apiKey)
  return (request) => {
    const authorization = singleHeader(request, 'authorization')
    const host = singleHeader(request, 'host')
    if (host === undefined && request.raw.httpVersion === '1.1') {
      throw new Problem('bad_header', 'The header host is missing')
    }
    if (expected === null) refuseWebPages(host, singleHeader(request, 'origin'))
    else if (!isOpen(request) && !bears(authorization, expected)) throw unauthorized()
    return caller(expected === null, claimedName(request))
  }
}

function caller(open: boolean, name: string | undefined): Caller {
  const identity = open
    ? ({ kind: 'user', id: 'local' } as const)
    : ({ kind: 'api_key', id: 'default' } as const)
  return {
    actor: name === undefined ? identity : { ...identity, name },
    principal: `${identity.kind}:${identity.id}`,
  }
}

function isOpen(request: FastifyRequest): boolean {
  const path = (request.raw.url ?? '').split('?', 1)[0] as string
  return OPEN_PATHS.has(path.endsWith('/') ? path.slice(0, -1) : path)
}

function bears(authorization: string | undefined, expected: Buffer): boolean {
  const token = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  // Hashes have one length, so the comparison takes one time whatever was sent.
  return timingSafeEqual(sha256(token ?? ''), expected) && token !== undefined
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function unauthorized(): Problem {
  return new Problem('unauthorized', 'The bearer token is missing or not known', {
    headers: { 'www-authenticate': 'Bearer' },
  })
}

/**
 * Loopback keeps other machines out, not the web pages its user visits. A page whose name was
 * rebound to 127.0.0.1 sends its own name as Host; one that posts across origins sends its Origin.
 */
function refuseWebPages(host: string | undefined, origin: string | undefined): void {
  if (host !== undefined && !isLocalName(host)) {
    throw new Problem('bad_header', `Host ${echo(host)} is not a name of this service`, {
      hint: 'Call it as localhost or by its IP address, or set PALIMPSEST_API_KEY.',
    })
  }
  if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== host) {
    throw new Problem('bad_header', `Pages of ${echo(origin)} may not call this service`, {
      hint: 'Call it from a program, or set PALIMPSEST_API_KEY.',
    })
  }
}

function isLocalName(host: string): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  const address = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
  return name === 'localhost' || name.endsWith('.localhost') || isIP(address) !== 0
}
