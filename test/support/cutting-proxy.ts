import { connect, createServer, type Socket } from 'node:net'

/** A proxy in front of Postgres that swallows chosen replies and cuts their connection. */
export interface CuttingProxy {
  readonly url: string
  /** Replies cut so far. */
  readonly cuts: number
  /** Cuts the n-th, 2n-th, … reply that ends a statement which wrote; 0: none. */
  every(n: number): void
  close(): Promise<void>
}

/** Ends of statements whose reply is worth losing: the server has committed by then. */
const DONE = /(SELECT 1|INSERT 0 1|COMMIT)\0/

export async function startCuttingProxy(databaseUrl: string): Promise<CuttingProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let everyNth = 0
  let replies = 0
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (chunk) => upstream.write(chunk))
    upstream.on('data', (chunk) => {
      if (everyNth > 0 && DONE.test(chunk.toString('latin1'))) {
        replies += 1
        if (replies % everyNth === 0) {
          cuts += 1
          client.destroy()
          return
        }
      }
      client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as { port: number }).port)
  return {
    url: url.href,
    get cuts() {
      return cuts
    },
    every(n) {
      everyNth = n
      replies = 0
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
