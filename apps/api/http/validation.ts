import type { PipeTransform } from '@nestjs/common'
import { z } from 'zod'
import { type ErrorCode, echo, isErrorCode } from '#domain/errors.js'
import { type IdPrefix, parseId } from '#domain/ids.js'
import { unstorable } from '#domain/text.js'
import { jsonPointer } from './json-pointer.js'
import { type FieldError, Problem } from './problem.js'

const DETAILED_MAX = 10

const INTEGER = 'expected an integer'

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'expected a string',
  number: 'expected a number',
  int: INTEGER,
  boolean: 'expected true or false',
  array: 'expected a list',
  object: 'expected an object',
  record: 'expected an object',
  null: 'expected null',
}

const UNSTORABLE = {
  nul_not_allowed: 'contains U+0000',
  lone_surrogate: 'contains half of a surrogate pair',
} as const

interface BodyOptions {
  /** JSON pointer in front of every error's, for a value that is a part of the body. */
  readonly pointerRoot?: string
  /** Leaves NUL and lone surrogates to whoever receives the value, e.g. the arguments of a tool. */
  readonly anyText?: boolean
}

/**
 * The value as the schema has it. Every string of it can be stored, checked by the schema or not:
 * the database cannot hold NUL, and drivers replace lone surrogates in silence.
 *
 * @throws Problem body_required for undefined where a value is needed; else the code of the first
 *   field that is not valid, with all of them in `errors`
 */
export function parseBody<S extends z.ZodType>(
  schema: S,
  value: unknown,
  options: BodyOptions = {},
): z.output<S> {
  const root = options.pointerRoot ?? ''
  const parsed = schema.safeParse(value, { error: describe, reportInput: true })
  if (parsed.success) {
    const faults = options.anyText ? [] : textFaults(parsed.data, [])
    if (faults.length > 0) throw invalidFields(faults, root)
    return parsed.data
  }
  if (value === undefined) throw new Problem('body_required', 'The request has no body')
  throw invalidFields(
    parsed.error.issues.flatMap((issue) => fieldErrors(issue, [])),
    root,
  )
}

/** @example create(@Body(zodBody(newBlock)) body: NewBlock) */
export function zodBody<S extends z.ZodType>(
  schema: S,
  options: BodyOptions = {},
): PipeTransform<unknown, z.output<S>> {
  return { transform: (value) => parseBody(schema, value, options) }
}

/** A string that can be stored: no NUL, no lone surrogate. */
export function text() {
  return z.string().superRefine((value, context) => {
    const code = unstorable(value)
    if (code) context.addIssue(customIssue(code, UNSTORABLE[code]))
  })
}

/** An integer in a range; without one, any that a double holds exactly. */
export function integer(range: { readonly min?: number; readonly max?: number } = {}) {
  return z
    .int({
      error: ({ code, input }) =>
        code === 'invalid_type' ? typeExpected(INTEGER, input) : undefined,
    })
    .min(range.min ?? Number.MIN_SAFE_INTEGER)
    .max(range.max ?? Number.MAX_SAFE_INTEGER)
}

/** An object of any JSON, e.g. metadata: no NUL and no lone surrogate in any key or value. */
export function jsonObject() {
  return z.record(z.string(), z.unknown()).superRefine((value, context) => {
    for (const fault of textFaults(value, [])) {
      context.addIssue({ ...customIssue(fault.code, fault.message), path: [...fault.path] })
    }
  })
}

/** The id of a resource, in lower case. */
export function id(prefix: IdPrefix) {
  return z.string().transform((value, context) => {
    const canonical = parseId(prefix, value)
    if (canonical !== null) return canonical
    context.addIssue(customIssue('invalid_id', `is not the id of a ${prefix}`))
    return z.NEVER
  })
}

/** A field that may be left out; null means the same, as in a PATCH of Letta's clients. */
export function absentOr<S extends z.ZodType>(schema: S) {
  return schema.nullish().transform((value) => value ?? undefined)
}

/** For `addIssue`: an issue that carries a code of ours. */
export function customIssue(code: ErrorCode, message: string) {
  return { code: 'custom' as const, message, params: { code } }
}

type Fault = Omit<FieldError, 'pointer'> & { readonly path: readonly PropertyKey[] }

function textFaults(value: unknown, path: readonly PropertyKey[]): Fault[] {
  if (typeof value === 'string') {
    const code = unstorable(value)
    return code ? [{ path, code, message: UNSTORABLE[code] }] : []
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, member]) => {
    const code = unstorable(key)
    const below = [...path, key]
    if (code) return [{ path: below, code, message: `the key ${UNSTORABLE[code]}` }]
    return textFaults(member, below)
  })
}

function invalidFields(faults: readonly Fault[], root: string): Problem {
  const errors = faults.map(({ path, code, message }) => ({
    pointer: `${root}${jsonPointer(path)}`,
    code,
    message,
  }))
  const named = errors
    .slice(0, DETAILED_MAX)
    .map((e) => `${echo(e.pointer) || 'the body'}: ${echo(e.message)}`)
  const more = errors.length > named.length ? [`and ${errors.length - named.length} more`] : []
  const count = errors.length === 1 ? '1 field is' : `${errors.length} fields are`
  const detail = `${count} not valid: ${[...named, ...more].join('; ')}`
  return new Problem(errors[0]?.code ?? 'invalid_argument', detail, { errors })
}

function fieldErrors(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): Fault[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      code: 'unknown_field',
      message: 'unknown field',
    }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return nearestBranch(issue.errors).flatMap((nested) => fieldErrors(nested, path))
  }
  return [{ path, code: codeOf(issue), message: issue.message }]
}

/** Of a union, what to tell is the branch that the value came closest to: the one that failed deepest. */
function nearestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) =>
    Math.min(...issues.map((issue) => issue.path.length))
  return branches.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best))
}

function codeOf(issue: z.core.$ZodIssue): ErrorCode {
  if (issue.code === 'invalid_type') return 'invalid_type'
  if (issue.code === 'custom' && isErrorCode(issue.params?.code)) return issue.params.code
  if (issue.code === 'invalid_value') {
    const known = issue.values.some((value) => typeof value === typeof issue.input)
    return known ? 'invalid_argument' : 'invalid_type'
  }
  return 'invalid_argument'
}

/** The sentence for an issue whose schema has none of its own. */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return typeExpected(EXPECTED[issue.expected] ?? `expected ${issue.expected}`, issue.input)
    case 'invalid_value':
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`
    case 'too_small':
      return bound('at least', issue.minimum, issue.origin)
    case 'too_big':
      return bound('at most', issue.maximum, issue.origin)
    case 'invalid_union':
      return 'expected one of the documented forms'
    default:
      return undefined
  }
}

function typeExpected(expected: string, input: unknown): string {
  return input === undefined ? `missing, ${expected}` : expected
}

function bound(side: string, limit: number | bigint, origin: string): string {
  if (origin === 'string') return `expected ${side} ${limit} characters`
  if (origin === 'array' || origin === 'set') return `expected ${side} ${limit} items`
  return `expected ${side} ${limit}`
}
