import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'

/** What came back; null when nobody knows: the connection broke first. */
export type Reply = { readonly status: number; readonly body: unknown } | null

/** A real api process of the build, which can be killed and started again on the same database. */
export class ApiProcess {
  kills = 0
  #child: ChildProcess | null = null
  #port = 0
  #agent = new Agent({ keepAlive: true })
  #up: Promise<void> = Promise.resolve()

  constructor(
    private readonly databaseUrl: string,
    private readonly dataDir: string,
  ) {}

  get isUp(): boolean {
    return this.#child !== null
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [join('dist', 'apps', 'api', 'main.js')], {
      env: {
        PATH: process.env['PATH'],
        DATABASE_URL: this.databaseUrl,
        PALIMPSEST_DATA_DIR: this.dataDir,
        PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1',
        PALIMPSEST_SIMULATED: 'always',
        PORT: '0',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const [told] = (await once(child, 'message')) as [{ type: string; port: number }]
    if (told.type !== 'ready') throw new Error(`an api did not start: ${JSON.stringify(told)}`)
    this.#child = child
    this.#port = told.port
    this.#agent = new Agent({ keepAlive: true })
  }

  /** kill -9, and a new process in its place. Resolves once that is ready. */
  restart(): Promise<void> {
    this.kills += 1
    this.#up = this.stop().then(() => this.start())
    return this.#up
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (!child) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    this.#agent.destroy()
  }

  /** Waits for the process where there is none just now. */
  async send(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    await this.#up
    const json = body === undefined ? '' : JSON.stringify(body)
    const framing = json === '' ? {} : { 'content-type': 'application/json' }
    return new Promise((resolve) => {
      const asked = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          agent: this.#agent,
          method,
          path,
          headers: { ...framing, 'content-length': String(Buffer.byteLength(json)), ...headers },
        },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('error', () => resolve(null))
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8')
            const status = answer.statusCode as number
            resolve({ status, body: text === '' ? null : JSON.parse(text) })
          })
        },
      )
      asked.on('error', () => resolve(null))
      asked.end(json)
    })
  }
}
