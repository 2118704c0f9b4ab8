import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
} from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ERRORS, type ErrorCode, echo } from '#domain/errors.js'
import { classify } from '#event-store/fault.js'
import { Problem, rawProblem, sendProblem } from './problem.js'
import { newRequestId, requestIdOf } from './request-context.js'

/** Refusals of the framework, by its own codes. */
const FRAMEWORK: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_BAD_URL: ['bad_path', 'The path is not percent-encoded UTF-8 without NUL'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri_too_long', 'A segment of the path is too long'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'The content-type is not supported'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['bad_framing', 'The body is not as long as declared'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'The body is too large'],
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthorized',
  403: 'scope_missing',
  404: 'not_found',
  405: 'not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  422: 'invalid_argument',
  431: 'headers_too_large',
}

/** Turns whatever was thrown into a problem document. Only what is a fault of ours is logged. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('http')

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>()
    const reply = host.switchToHttp().getResponse<FastifyReply>()
    const problem = toProblem(exception, request)
    if (problem.code === 'internal') this.report(exception, request)
    if (reply.sent || reply.raw.headersSent) {
      // The answer had begun: a cut connection is the only honest end left.
      reply.raw.destroy()
      return
    }
    sendProblem(reply, problem, request.id)
  }

  private report(exception: unknown, request: FastifyRequest): void {
    const route = request.routeOptions?.url ?? 'an unknown route'
    const what = exception instanceof Error ? exception.stack : String(exception)
    this.logger.error(`${request.id} ${request.method} ${route} failed: ${what}`)
  }
}

function toProblem(exception: unknown, request: FastifyRequest): Problem {
  if (exception instanceof Problem) return exception
  const framework =
    FRAMEWORK[codeOf(exception) ?? ''] ?? FRAMEWORK[codeOf(causeOf(exception)) ?? '']
  if (framework) return new Problem(framework[0], framework[1], { cause: exception })
  if (exception instanceof HttpException && exception.getStatus() < 500) {
    const code = BY_STATUS[exception.getStatus()] ?? 'bad_framing'
    if (code === 'not_found') return noRoute(request)
    return new Problem(code, ERRORS[code].title, { cause: exception })
  }
  if (classify(exception) === 'outcome_unknown' || classify(exception) === 'locked') {
    return new Problem('not_ready', 'The database does not answer', {
      facts: { waiting_for: ['database'] },
      cause: exception,
    })
  }
  return new Problem('internal', 'An unknown error occurred', { cause: exception })
}

/** Without the query, which may hold what its sender did not want repeated. */
function noRoute(request: FastifyRequest): Problem {
  const path = (request.raw.url ?? '').split('?', 1)[0] as string
  return new Problem('not_found', `There is no route ${request.method} ${echo(path)}`)
}

/**
 * Answers what the router refuses before any hook or filter runs. The request has neither
 * parameters nor a query then.
 */
export function frameworkErrors(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  sendProblem(reply, toProblem(error, request), requestIdOf(request.raw))
}

type ClientSocket = Duplex & { readonly _httpMessage?: ServerResponse | null }

/** Sockets that have had their refusal: the parser repeats its error for every further byte. */
const refused = new WeakSet<ClientSocket>()

/** Answers on a socket whose bytes are no request, or did not arrive in time, and closes it. */
export function clientErrorHandler(error: Error & { code?: string }, socket: ClientSocket): void {
  if (refused.has(socket)) return
  refused.add(socket)
  refuse(error, socket)
}

function refuse(error: Error & { code?: string }, socket: ClientSocket): void {
  const running = socket._httpMessage
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
  } else if (running?.req.complete) {
    // Garbage behind a whole request: that one is being carried out, and gets its own answer first.
    running.once('close', () => refuse(error, socket))
  } else if (running?.headersSent) {
    // A response that has begun must not get a second head in the middle of its body.
    socket.destroy()
  } else {
    socket.end(rawProblem(clientProblem(error), newRequestId()))
  }
}

function clientProblem(error: Error & { code?: string }): Problem {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new Problem('headers_too_large', 'The headers of the request are too large')
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Problem('request_timeout', 'The request did not arrive in time')
  }
  return new Problem('bad_framing', 'The bytes sent are not a well-formed HTTP/1.1 request')
}

/** Answers `Expect:` with anything but 100-continue. */
export function unknownExpectation(request: IncomingMessage, socket: Duplex | null): void {
  const problem = new Problem('bad_header', 'The header expect may only be 100-continue')
  socket?.end(rawProblem(problem, requestIdOf(request)))
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}
