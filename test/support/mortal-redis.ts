import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'

/** A Redis of a test's own, without a disk, behind a line that may be swallowed. */
export class MortalRedis {
  readonly #dir = mkdtempSync(join(tmpdir(), 'palimpsest-redis-'))
  readonly #sockets = new Set<Socket>()
  #child: ChildProcess | null = null
  #port = 0
  #line: Server | null = null
  #linePort = 0
  /** Set while nothing gets through. */
  #hole = false

  static async start(): Promise<MortalRedis> {
    const redis = new MortalRedis()
    redis.#port = await freePort()
    await redis.restart()
    redis.#line = createServer((client) => redis.#pass(client))
    redis.#line.listen(0, '127.0.0.1')
    await once(redis.#line, 'listening')
    redis.#linePort = (redis.#line.address() as { port: number }).port
    return redis
  }

  /** The line, not the server itself. */
  get url(): string {
    return `redis://127.0.0.1:${this.#linePort}`
  }

  async flushAll(): Promise<void> {
    const client = new Redis(this.#port, '127.0.0.1')
    await client.flushall()
    client.disconnect()
  }

  /** Connections through the line. */
  async clients(): Promise<number> {
    const client = new Redis(this.#port, '127.0.0.1')
    const list = String(await client.call('CLIENT', 'LIST'))
    client.disconnect()
    return list.trim().split('\n').length - 1
  }

  /** kill -9: it has no disk, so everything is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (!child) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  async restart(): Promise<void> {
    const settings = {
      port: this.#port,
      bind: '127.0.0.1',
      dir: this.#dir,
      save: '',
      appendonly: 'no',
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    for await (const said of child.stdout) {
      if (String(said).includes('Ready to accept connections')) return
    }
    throw new Error('redis-server ended')
  }

  /** Connections stay, and new ones are taken, but nothing gets through. */
  swallow(): void {
    this.#hole = true
    for (const socket of this.#sockets) socket.pause()
  }

  /** @param remembered whether what was on its way arrives now; else the connections are cut. */
  letThrough(remembered: boolean): void {
    this.#hole = false
    for (const socket of this.#sockets) {
      if (remembered) socket.resume()
      else socket.destroy()
    }
  }

  async close(): Promise<void> {
    await this.kill()
    for (const socket of this.#sockets) socket.destroy()
    this.#line?.close()
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #pass(client: Socket): void {
    const upstream = connect(this.#port, '127.0.0.1')
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('data', (chunk) => other.write(chunk))
      if (this.#hole) socket.pause()
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
