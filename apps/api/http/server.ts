import 'reflect-metadata'
import type { DynamicModule, LoggerService, Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { BODY_BYTES_MAX, parseJson, readBody } from './body.js'
import { createDoor } from './door.js'
import { checkUrl, URL_LENGTH_MAX } from './path-id.js'
import {
  clientErrorHandler,
  frameworkErrors,
  ProblemFilter,
  unknownExpectation,
} from './problem.filter.js'
import { Problem } from './problem.js'
import { requestIdOf } from './request-context.js'

export interface ServerOptions {
  /** The bearer token every call needs, health apart; null: none is needed. */
  readonly apiKey: string | null
  /** What stands in for a real provider, said in `x-palimpsest-simulated` of every response. */
  readonly simulated?: string | null
  /** How long a request may take to arrive; not how long its answer may take. */
  readonly requestTimeoutMs?: number
  readonly bodyBytesMax?: number
  readonly logger?: LoggerService | false
}

const REQUEST_TIMEOUT_MS = 30_000
const HEADERS_TIMEOUT_MS = 10_000
/** Above the URL's cap, so that a URL somewhat too long is told that it is the URL. */
const HEADER_BYTES_MAX = 2 * URL_LENGTH_MAX
const CONNECTIONS_MAX = 10_000

/**
 * The HTTP server around a Nest module, not yet listening: one JSON parser, one shape of error, the
 * door, request ids. Every refusal, from a broken first line to a fault of ours, is a problem document.
 */
export async function createServer(
  module: Type | DynamicModule,
  options: ServerOptions,
): Promise<NestFastifyApplication> {
  const adapter = createAdapter(options)
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: options.logger ?? ['fatal', 'error', 'warn'],
  })
  app.useGlobalFilters(new ProblemFilter())
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance
  addHooks(fastify, adapter, options)
  addBodyParser(fastify, options.bodyBytesMax ?? BODY_BYTES_MAX)
  fastify.server.maxConnections = CONNECTIONS_MAX
  fastify.server.on('checkExpectation', (request, response) =>
    unknownExpectation(request, response.socket),
  )
  return app
}

/** Nest answers POST with 201 and strings as text/plain; clients expect 200, and JSON for everything. */
class JsonAdapter extends FastifyAdapter {
  /** From the first moment of shutting down, before anything that handlers use is closed. */
  refusing = false

  override beforeClose() {
    super.beforeClose()
    this.refusing = true
  }

  override status(response: never, statusCode: number) {
    return super.status(response, statusCode === 201 ? 200 : statusCode)
  }

  override reply(response: never, body: unknown, statusCode?: number) {
    const reply = response as FastifyReply
    if (typeof body !== 'string' || reply.getHeader('content-type') !== undefined) {
      return super.reply(response, body, statusCode)
    }
    reply.header('content-type', 'application/json; charset=utf-8')
    return super.reply(response, JSON.stringify(body), statusCode)
  }
}

function createAdapter(options: ServerOptions): JsonAdapter {
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS
  return new JsonAdapter({
    requestTimeout,
    http: {
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeout),
      connectionsCheckingInterval: Math.min(1_000, requestTimeout / 2),
      maxHeaderSize: HEADER_BYTES_MAX,
      // The door asks for Host itself: Node's own refusal has no body.
      requireHostHeader: false,
    },
    routerOptions: {
      ignoreTrailingSlash: true,
      caseSensitive: true,
      // A long parameter is the handler's to judge; what bounds it is the cap of the URL.
      maxParamLength: URL_LENGTH_MAX,
    },
    return503OnClosing: false,
    genReqId: requestIdOf,
    frameworkErrors,
    clientErrorHandler,
  })
}

function addHooks(fastify: FastifyInstance, adapter: JsonAdapter, options: ServerOptions): void {
  const admit = createDoor(options.apiKey)
  fastify.decorateRequest('caller', null)
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    if (options.simulated) reply.header('x-palimpsest-simulated', options.simulated)
    try {
      if (adapter.refusing) throw shuttingDown()
      checkUrl(request.raw.url ?? '')
      request.caller = admit(request)
      done()
    } catch (refusal) {
      done(refusal as Error)
    }
  })
}

function shuttingDown(): Problem {
  return new Problem('not_ready', 'The service is shutting down', {
    facts: { waiting_for: ['restart'] },
    headers: { connection: 'close' },
  })
}

function addBodyParser(fastify: FastifyInstance, bytesMax: number): void {
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser(
    '*',
    async (request: FastifyRequest, payload: FastifyRequest['raw']) => {
      const bytes = await readBody(payload, bytesMax)
      // Where there is no route, that is what to say, whatever the body looks like.
      return request.is404 ? undefined : parseJson(bytes, request.headers)
    },
  )
}
