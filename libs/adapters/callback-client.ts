import { lookup } from 'node:dns/promises'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net'

/** What a caller may not have called from here. The message says why. */
export class UrlNotAllowed extends Error {}

/** Everything that is not a public host's address, by IPv4. */
const NOT_PUBLIC: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]
/** Inside 2000::/3, which alone is public: protocols of their own, documentation, 6to4. */
const NOT_PUBLIC_6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
]
const LOCAL: readonly (readonly [string, number])[] = [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
]
const notPublic = blockList(NOT_PUBLIC, NOT_PUBLIC_6)
const global6 = blockList([], [['2000::', 3]])
const local = blockList(LOCAL, [
  ['::1', 128],
  ['fc00::', 7],
])

const PUBLIC_PORTS: Readonly<Record<string, readonly string[]>> = {
  'http:': ['', '80'],
  'https:': ['', '443', '8443'],
}
const LOCAL_PORT_MIN = 1_024

/**
 * Calls back over HTTP, to public hosts only: whoever names the URL must not reach what only this
 * machine can. A service that is itself on loopback may call its neighbours by their plain address.
 */
export class CallbackClient {
  /** @param allowsLocal the service listens on loopback only. */
  constructor(private readonly allowsLocal: boolean) {}

  /**
   * @throws UrlNotAllowed for what the URL says, and for what its name resolves to; a name that cannot be
   *   resolved now is judged when it is called.
   */
  async check(text: string): Promise<void> {
    const url = this.#judged(text)
    if (isIP(bare(url.hostname))) return
    const found = await lookup(url.hostname, { all: true }).catch(() => [])
    this.#judgeAddresses(
      url.hostname,
      found.map((one) => one.address),
    )
  }

  /**
   * Posts JSON once, follows nothing and reads no answer.
   *
   * @returns the status it was answered with
   * @throws UrlNotAllowed, and what the network throws
   */
  async post(text: string, body: object, signal: AbortSignal): Promise<number> {
    const url = this.#judged(text)
    const json = Buffer.from(JSON.stringify(body))
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const request = send(
        url,
        {
          method: 'POST',
          signal,
          agent: false,
          lookup: this.#lookup,
          headers: { 'content-type': 'application/json', 'content-length': json.byteLength },
        },
        (response) => {
          resolve(response.statusCode ?? 0)
          response.destroy()
        },
      )
      request.on('error', reject)
      // The lookup has judged what it found; this is what the socket is really connected to.
      request.on('socket', (socket) =>
        socket.once('connect', () => {
          if (this.#isAllowed(url.hostname, socket.remoteAddress ?? '')) return
          request.destroy(new UrlNotAllowed(`${url.hostname} is not a public host`))
        }),
      )
      request.end(json)
    })
  }

  readonly #lookup: LookupFunction = (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }).then(
      (found) => {
        try {
          this.#judgeAddresses(
            hostname,
            found.map((one) => one.address),
          )
        } catch (error) {
          return done(error as Error, '')
        }
        if (options.all) return done(null, found)
        done(null, found[0]?.address ?? '', found[0]?.family ?? 0)
      },
      (error: Error) => done(error as NodeJS.ErrnoException, ''),
    )
  }

  #judged(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : null
    const ports = PUBLIC_PORTS[url?.protocol ?? '']
    if (!url || !ports) throw new UrlNotAllowed('is not an http or https URL')
    if (url.username || url.password) throw new UrlNotAllowed('holds credentials')
    const isLocal = this.allowsLocal && isPlainLocal(url, text)
    if (isIP(bare(url.hostname)) && !isLocal) {
      throw new UrlNotAllowed('names an address in place of a host')
    }
    const isLocalPort = isLocal && Number(url.port) >= LOCAL_PORT_MIN
    if (!isLocalPort && !ports.includes(url.port)) throw new UrlNotAllowed('names another port')
    return url
  }

  #judgeAddresses(hostname: string, addresses: readonly string[]): void {
    if (addresses.every((address) => this.#isAllowed(hostname, address))) return
    throw new UrlNotAllowed(`${hostname} is not a public host`)
  }

  #isAllowed(hostname: string, address: string): boolean {
    if (this.allowsLocal && (hostname === 'localhost' || isIP(bare(hostname)))) {
      return isIn(local, address)
    }
    if (isIPv6(address)) return isIn(global6, address) && !isIn(notPublic, address)
    return isIP(address) !== 0 && !isIn(notPublic, address)
  }
}

/** `localhost` or a local address as it is usually written: in no other spelling, which hides what it is. */
function isPlainLocal({ hostname }: URL, text: string): boolean {
  const written = /^https?:\/\/(\[[^\]]*\]|[^/:?#]*)/i.exec(text)?.[1]?.toLowerCase()
  if (written !== hostname || hostname.startsWith('[::ffff:')) return false
  return hostname === 'localhost' || (isIP(bare(hostname)) !== 0 && isIn(local, bare(hostname)))
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function blockList(
  four: readonly (readonly [string, number])[],
  six: readonly (readonly [string, number])[],
): BlockList {
  const list = new BlockList()
  for (const [net, prefix] of four) list.addSubnet(net, prefix, 'ipv4')
  for (const [net, prefix] of six) list.addSubnet(net, prefix, 'ipv6')
  return list
}
