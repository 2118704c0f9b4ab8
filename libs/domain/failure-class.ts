import { ERRORS, type ErrorCode } from './errors.js'

/** Why a turn ended badly, or was not taken in: what a producer of jobs switches on first. */
export type RefusalClass = 'Invalid' | 'NotFound' | 'Conflict' | 'Rejected'

const CLASSES: Partial<Readonly<Record<ErrorCode, RefusalClass>>> = {
  agent_not_found: 'NotFound',
  run_not_found: 'NotFound',
  gone: 'NotFound',
  idempotency_key_reused: 'Conflict',
  already_exists: 'Conflict',
  agent_busy: 'Rejected',
}

/** The class of a message that was refused before there was a turn. */
export function refusalClass(code: ErrorCode): RefusalClass {
  return CLASSES[code] ?? (ERRORS[code].retry ? 'Rejected' : 'Invalid')
}

/** The code for a turn's failure: one of the error table where there is one, else the class itself. */
export function failureCode(failureClass: string): string {
  if (failureClass === 'Provider.RateLimited') return 'model_rate_limited'
  return failureClass.startsWith('Provider.') ? 'model_unavailable' : failureClass
}

const PASSING: readonly string[] = [
  'Provider.RateLimited',
  'Provider.Overloaded',
  'Provider.Timeout',
]

/** Whether the same message may succeed later. The turn itself has tried again already. */
export function isPassing(failureClass: string): boolean {
  return PASSING.includes(failureClass)
}
