import type { PipeTransform } from '@nestjs/common'
import { z } from 'zod'
import { customIssue } from '#producer/field.js'
import { type Fault, faultsDetail, readFields, textFaults } from '#producer/field-faults.js'
import { jsonPointer } from '#producer/json-pointer.js'
import { Problem } from './problem.js'

export { absentOr, customIssue, id, integer, text } from '#producer/field.js'

interface BodyOptions {
  /** JSON pointer in front of every error's, for a value that is a part of the body. */
  readonly pointerRoot?: string
  /** Leaves NUL and lone surrogates to whoever receives the value, e.g. the arguments of a tool. */
  readonly anyText?: boolean
}

/**
 * The value as the schema has it. Every string of it can be stored, checked by the schema or not.
 *
 * @throws Problem body_required for undefined where a value is needed; else the code of the first
 *   field that is not valid, with all of them in `errors`
 */
export function parseBody<S extends z.ZodType>(
  schema: S,
  value: unknown,
  options: BodyOptions = {},
): z.output<S> {
  const read = readFields(schema, value, options.anyText)
  if ('value' in read) return read.value
  if (value === undefined) throw new Problem('body_required', 'The request has no body')
  throw invalidFields(read.faults, options.pointerRoot ?? '')
}

/** @example create(@Body(zodBody(newBlock)) body: NewBlock) */
export function zodBody<S extends z.ZodType>(
  schema: S,
  options: BodyOptions = {},
): PipeTransform<unknown, z.output<S>> {
  return { transform: (value) => parseBody(schema, value, options) }
}

/** An object of any JSON, e.g. metadata: no NUL and no lone surrogate in any key or value. */
export function jsonObject() {
  return z.record(z.string(), z.unknown()).superRefine((value, context) => {
    for (const fault of textFaults(value)) {
      context.addIssue({ ...customIssue(fault.code, fault.message), path: [...fault.path] })
    }
  })
}

function invalidFields(faults: readonly Fault[], root: string): Problem {
  const errors = faults.map(({ path, code, message }) => ({
    pointer: `${root}${jsonPointer(path)}`,
    code,
    message,
  }))
  const code = errors[0]?.code ?? 'invalid_argument'
  return new Problem(code, faultsDetail(errors, 'the body'), { errors })
}
