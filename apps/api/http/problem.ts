import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'
import { ERRORS, type ErrorCode, echo, errorSlug, hintFor, type Rejection } from '#domain/errors.js'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/** A field of the request that is not valid. `pointer` is a JSON pointer into the body; '' is the body. */
export interface FieldError {
  readonly pointer: string
  readonly code: ErrorCode
  readonly message: string
}

interface ProblemMore {
  readonly facts?: Readonly<Record<string, unknown>>
  readonly errors?: readonly FieldError[]
  readonly hint?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

const ERRORS_MAX = 100
const DETAIL_LENGTH_MAX = 2_000
/** What a client waits when a refusal that may be repeated does not say how long. */
const RETRY_AFTER_MS = 1_000

/** A refusal on its way to a client. Whatever else is thrown is a fault of ours and becomes `internal`. */
export class Problem extends Error {
  readonly facts: Readonly<Record<string, unknown>>
  readonly errors: readonly FieldError[]
  readonly hint: string
  /** Headers beyond those every problem carries. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    more: ProblemMore = {},
  ) {
    super(detail, { cause: more.cause })
    this.name = 'Problem'
    this.facts = more.facts ?? {}
    this.errors = more.errors ?? []
    this.hint = more.hint ?? hintFor(code, this.facts)
    this.headers = more.headers ?? {}
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  /**
   * A refused command as a problem. `at_version` and `base_version` join the facts; a `parameter`
   * among them becomes a pointer into the body.
   */
  static of(rejection: Rejection, baseVersion: number | null = null): Problem {
    const { parameter, ...facts } = rejection.facts
    const versions = {
      ...(rejection.atVersion === undefined ? {} : { at_version: rejection.atVersion }),
      ...(baseVersion === null ? {} : { base_version: baseVersion }),
    }
    const field = { pointer: `/${parameter}`, code: rejection.code, message: rejection.detail }
    return new Problem(rejection.code, rejection.detail, {
      facts: { ...versions, ...facts },
      errors: typeof parameter === 'string' ? [field] : [],
      hint: rejection.hint,
    })
  }
}

/** The document of RFC 9457, with the members that Letta's clients read (`message`) and our own. */
export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  const { status, title } = ERRORS[problem.code]
  // Never the whole of a long text: a caller's words are said back in at most 200 code points each.
  const detail = echo(problem.detail, DETAIL_LENGTH_MAX)
  const errors = problem.errors
    .slice(0, ERRORS_MAX)
    .map((e) => ({ pointer: echo(e.pointer), code: e.code, message: echo(e.message) }))
  const own = {
    type: `/docs/errors/${errorSlug(problem.code)}`,
    title,
    status,
    code: problem.code,
    detail,
    message: detail,
    hint: problem.hint,
    ...(errors.length > 0 ? { errors } : {}),
  }
  return { ...own, ...problem.facts, ...own, request_id: requestId }
}

/**
 * Clients retry a bare 409 and every 412 by default, so a conflict that waiting cannot mend says
 * so; where waiting helps, both the standard header and the one in milliseconds say how long.
 */
export function problemHeaders(problem: Problem): Record<string, string> {
  const { status, retry } = ERRORS[problem.code]
  if (!retry) {
    const conflict: Record<string, string> =
      status === 409 || status === 412 ? { 'x-should-retry': 'false' } : {}
    return { ...conflict, ...problem.headers }
  }
  const ms = problem.facts.retry_after_ms
  const afterMs = typeof ms === 'number' && ms >= 0 ? Math.ceil(ms) : RETRY_AFTER_MS
  return {
    'x-should-retry': 'true',
    'retry-after': String(Math.ceil(afterMs / 1000)),
    'retry-after-ms': String(afterMs),
    ...problem.headers,
  }
}

/** Answers with the problem. As bytes, so that the framework adds no charset to the media type. */
export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): void {
  const body = Buffer.from(JSON.stringify(problemBody(problem, requestId)))
  reply
    .code(problem.status)
    .headers({
      'x-request-id': requestId,
      ...problemHeaders(problem),
      'content-type': PROBLEM_MEDIA_TYPE,
    })
    .send(body)
}

/** The whole response as bytes, for a socket on which no request could be read. It closes the connection. */
export function rawProblem(problem: Problem, requestId: string): Buffer {
  const body = Buffer.from(JSON.stringify(problemBody(problem, requestId)))
  const headers = {
    'x-request-id': requestId,
    ...problemHeaders(problem),
    'content-type': PROBLEM_MEDIA_TYPE,
    'content-length': String(body.length),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n`
  return Buffer.concat([Buffer.from(head), body])
}
