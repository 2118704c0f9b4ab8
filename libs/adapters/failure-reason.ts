const DEPTH_MAX = 4

/** Read by shape: an error thrown by the platform is of another realm than ours in some test runners. */
interface Thrown {
  readonly name?: unknown
  readonly message?: unknown
  readonly code?: unknown
  readonly cause?: unknown
}

/** Why something failed, from its innermost cause: `fetch` hides "connection refused" two causes deep. */
export function failureReason(error: unknown): string {
  let reason = error
  for (let depth = 0; depth < DEPTH_MAX; depth++) {
    const { cause } = thrown(reason)
    if (typeof cause !== 'object' || cause === null) break
    reason = cause
  }
  const { name, message, code } = thrown(reason)
  // Several addresses refused at once make an error with a code and no message.
  return String(message || code || name || reason)
}

function thrown(value: unknown): Thrown {
  return typeof value === 'object' && value !== null ? value : {}
}
