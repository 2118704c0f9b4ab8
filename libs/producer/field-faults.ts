import type { z } from 'zod'
import { type ErrorCode, echo, isErrorCode } from '#domain/errors.js'
import { unstorable } from '#domain/text.js'
import { INTEGER, typeExpected, UNSTORABLE } from './field.js'

/** A field that is not valid, and where it stands. */
export interface Fault {
  readonly path: readonly PropertyKey[]
  readonly code: ErrorCode
  readonly message: string
}

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

/**
 * The value as the schema has it, or everything that is wrong with it. Every string can be stored,
 * checked by the schema or not: the database cannot hold NUL, and drivers replace lone surrogates in
 * silence.
 *
 * @param anyText leaves NUL and lone surrogates to whoever receives the value
 */
export function readFields<S extends z.ZodType>(
  schema: S,
  value: unknown,
  anyText = false,
): { readonly value: z.output<S> } | { readonly faults: readonly Fault[] } {
  const parsed = schema.safeParse(value, { error: describe, reportInput: true })
  if (!parsed.success) {
    return { faults: parsed.error.issues.flatMap((issue) => faultsOf(issue, [])) }
  }
  const faults = anyText ? [] : textFaults(parsed.data)
  return faults.length > 0 ? { faults } : { value: parsed.data }
}

/** Strings and keys of any JSON that cannot be stored. */
export function textFaults(value: unknown, path: readonly PropertyKey[] = []): Fault[] {
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

const DETAILED_MAX = 10

/**
 * All faults in one sentence.
 *
 * @param whole what the empty pointer is called, e.g. `the body`
 */
export function faultsDetail(
  faults: readonly { readonly pointer: string; readonly message: string }[],
  whole: string,
): string {
  const named = faults
    .slice(0, DETAILED_MAX)
    .map((fault) => `${echo(fault.pointer) || whole}: ${echo(fault.message)}`)
  const more = faults.length > named.length ? [`and ${faults.length - named.length} more`] : []
  const count = faults.length === 1 ? '1 field is' : `${faults.length} fields are`
  return `${count} not valid: ${[...named, ...more].join('; ')}`
}

function faultsOf(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): Fault[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...path, key],
      code: 'unknown_field',
      message: 'unknown field',
    }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return nearestBranch(issue.errors).flatMap((nested) => faultsOf(nested, path))
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

function bound(side: string, limit: number | bigint, origin: string): string {
  if (origin === 'string') return `expected ${side} ${limit} characters`
  if (origin === 'array' || origin === 'set') return `expected ${side} ${limit} items`
  return `expected ${side} ${limit}`
}
