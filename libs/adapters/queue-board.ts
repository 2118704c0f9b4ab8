import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import type {
  AppControllerRoute,
  AppViewRoute,
  BullBoardQueues,
  IServerAdapter,
  UIConfig,
} from '@bull-board/api/typings/app'
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { TURNS_QUEUE } from '#producer/turn-job.js'
import { DEAD_QUEUE } from '#producer/turn-result.js'
import { openQueue, openRedis, type QueueConnection, waitAtMost } from './queue-connection.js'
import { SCHEDULE_QUEUE } from './schedule-queue.js'
import { WAKE_QUEUE } from './wake-queue.js'

const SHOWN = [TURNS_QUEUE, DEAD_QUEUE, SCHEDULE_QUEUE, WAKE_QUEUE]
const POOL_MAX = 2
const ANSWER_MS_MAX = 2_000
const CLOSE_MS_MAX = 1_000
/** The page asks another server for a font: what is shown here is nobody else's. */
const FOREIGN_LINK = /<link href="https?:[^>]*>\n?/g

/** A question of the board's page; whatever it asks is only read. */
export interface BoardRoute {
  /** With parameters as `:queueName`. */
  readonly path: string
  answer(request: BoardRequest): Promise<{ readonly status: number; readonly body: unknown }>
}

export interface BoardRequest {
  readonly params: Record<string, unknown>
  readonly query: Record<string, unknown>
}

/**
 * Bull Board over the queues of this product, without its buttons: routes that change anything are not
 * there.
 */
export class QueueBoard {
  /** Where the page may be asked for. */
  readonly pages: readonly string[]
  readonly routes: readonly BoardRoute[]
  readonly #assets = new Set<string>()
  readonly #page: string
  #open: Opened | null = null

  /** @param base the path it is served at, without a slash at the end. */
  constructor(
    base: string,
    private readonly connection: QueueConnection,
    private readonly onError: (error: unknown) => void,
  ) {
    const parts = new BoardParts()
    // The queues are opened once somebody looks.
    const options = { uiConfig: { boardTitle: 'Palimpsest' }, uiBasePath: PACKAGE }
    createBullBoard({ queues: [], serverAdapter: parts, options })
    const { entry, routes, config } = parts
    if (!entry) throw new Error('the board has no page')
    this.pages = [entry.route].flat()
    this.routes = routes.filter(isRead).flatMap((route) => this.#boardRoutes(route, config))
    const { params } = entry.handler({ basePath: base, uiConfig: config })
    this.#page = filled(readFileSync(join(PACKAGE, 'dist', 'index.ejs'), 'utf8'), params)
    for (const name of readdirSync(STATIC, { recursive: true, encoding: 'utf8' })) {
      this.#assets.add(name.replaceAll('\\', '/'))
    }
  }

  /** HTML. */
  get page(): string {
    return this.#page
  }

  /** A file of the page, or null for what is none of its files. */
  async asset(name: string): Promise<Buffer | null> {
    if (!this.#assets.has(name)) return null
    return readFile(join(STATIC, name)).catch(() => null)
  }

  async close(): Promise<void> {
    const { queues = [], redis = null } = this.#open ?? {}
    const closed = Promise.all(queues.map((queue) => queue.close()))
    await waitAtMost(closed.catch(this.onError), CLOSE_MS_MAX)
    redis?.disconnect()
  }

  #boardRoutes(route: AppControllerRoute, uiConfig: UIConfig): BoardRoute[] {
    return [route.route].flat().map((path) => ({
      path,
      answer: async ({ params, query }) => {
        this.#open ??= openShown(this.connection, this.onError)
        const { shown: queues } = this.#open
        const request = { queues, uiConfig, params, query, body: {}, headers: {} }
        const asked = Promise.resolve(route.handler(request))
        if ((await waitAtMost(asked, ANSWER_MS_MAX)) === 'late') {
          throw new Error('the queue does not answer')
        }
        const { status = 200, body } = await asked
        return { status, body }
      },
    }))
  }
}

const PACKAGE = join(createRequire(import.meta.url).resolve('@bull-board/ui/package.json'), '..')
const STATIC = join(PACKAGE, 'dist', 'static')

interface Opened {
  readonly shown: BullBoardQueues
  readonly queues: readonly Queue[]
  readonly redis: Redis | null
}

function openShown(connection: QueueConnection, onError: (error: unknown) => void): Opened {
  const redis = connection.redisUrl ? openRedis(connection.redisUrl, 1, onError) : null
  const queues = SHOWN.map((name) => openQueue(name, connection, redis, POOL_MAX, onError) as Queue)
  const shown = new Map(
    queues.map((queue) => [queue.name, new BullMQAdapter(queue, { readOnlyMode: true })] as const),
  )
  return { shown, queues, redis }
}

/** Takes what the board has to serve, whatever it is then served by. */
class BoardParts implements IServerAdapter {
  entry: AppViewRoute | null = null
  routes: AppControllerRoute[] = []
  config: UIConfig = {}

  setEntryRoute(route: AppViewRoute): this {
    this.entry = route
    return this
  }

  setApiRoutes(routes: AppControllerRoute[]): this {
    this.routes = routes
    return this
  }

  setUIConfig(config: UIConfig): this {
    this.config = config
    return this
  }

  setQueues(): this {
    return this
  }

  setViewsPath(): this {
    return this
  }

  setStaticPath(): this {
    return this
  }

  setErrorHandler(): this {
    return this
  }
}

function isRead({ method }: AppControllerRoute): boolean {
  return [method].flat().every((one) => one.toLowerCase() === 'get')
}

/** The one template it has knows two forms: escaped, and as it is. */
function filled(template: string, values: Readonly<Record<string, string>>): string {
  return template
    .replaceAll(FOREIGN_LINK, '')
    .replaceAll(/<%([=-]) *(\w+) *%>/g, (_, form: string, name: string) =>
      form === '=' ? escaped(values[name] ?? '') : (values[name] ?? ''),
    )
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
}
