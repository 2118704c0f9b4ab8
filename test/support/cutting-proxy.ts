import { connect, createServer, type Socket } from 'node:net'
import { pick, type Seeded } from './seeded.js'

/** A proxy in front of Postgres that swallows chosen replies and requests and cuts their connection. */
export interface CuttingProxy {
  readonly url: string
  /** Replies cut so far: what they answer had been carried out. */
  readonly cuts: number
  /** Requests cut so far: the server never saw them whole. */
  readonly requestCuts: number
  /** Cuts the n-th, 2n-th, … reply that ends a transaction which may have written; 0: none. */
  every(n: number): void
  /** Cuts such replies, and requests of whatever kind, with these chances. */
  atRandom(chances: CutChances): void
  close(): Promise<void>
}

export interface CutChances {
  readonly random: Seeded
  readonly replies: number
  readonly requests: number
}

/** Ends of transactions whose reply is worth losing: the server has committed and waits for the next. */
const COMMITTED = /(SELECT 1|INSERT 0 1|COMMIT)\0Z\0\0\0\x05I/
/** The server has let somebody in and waits for a request. */
const READY = /Z\0\0\0\x05[ITE]/

export async function startCuttingProxy(databaseUrl: string): Promise<CuttingProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const count = { replies: 0, cuts: 0, requestCuts: 0 }
  let cutsReply = (): boolean => false
  let cutsRequest = (): boolean => false
  /** How much of what is cut still arrives. */
  let partOf = (_length: number): number => 0
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    let ready = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const cut = (chunk: Buffer, to: Socket): void => {
      client.removeAllListeners('data')
      upstream.removeAllListeners('data')
      to.write(chunk.subarray(0, partOf(chunk.length)), () => to.destroy())
    }
    client.on('data', (chunk) => {
      if (ready && cutsRequest()) {
        count.requestCuts += 1
        cut(chunk, upstream)
      } else upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      const text = chunk.toString('latin1')
      ready ||= READY.test(text)
      if (COMMITTED.test(text) && cutsReply()) {
        count.cuts += 1
        cut(chunk, client)
      } else client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as { port: number }).port)
  return {
    url: url.href,
    get cuts() {
      return count.cuts
    },
    get requestCuts() {
      return count.requestCuts
    },
    every(n) {
      count.replies = 0
      cutsReply = () => n > 0 && ++count.replies % n === 0
      cutsRequest = () => false
      partOf = () => 0
    },
    atRandom({ random, replies, requests }) {
      cutsReply = () => random() < replies
      cutsRequest = () => random() < requests
      partOf = (length) => pick(random, length)
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
