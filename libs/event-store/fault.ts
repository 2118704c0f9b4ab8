/** What went wrong with a statement, as far as the writer must act on it. */
export type Fault = 'duplicate' | 'locked' | 'deadlock' | 'outcome_unknown' | 'bug'

/**
 * Reads an error of the driver. A broken connection leaves open whether the commit took place; an
 * SQLSTATE says that it did not.
 */
export function classify(error: unknown): Fault {
  const code = (error as { code?: unknown }).code
  if (typeof code !== 'string') return isConnectionLoss(error) ? 'outcome_unknown' : 'bug'
  if (code === '23505') return 'duplicate'
  if (code === '55P03' || code === '57014') return 'locked'
  if (code === '40P01' || code === '40001') return 'deadlock'
  const lost = /^(08|57P0|25P03|53)/.test(code) || /^E[A-Z]+$/.test(code)
  return lost ? 'outcome_unknown' : 'bug'
}

/** The unique constraint a 23505 names. */
export function violated(error: unknown): string | null {
  const { constraint } = error as { constraint?: unknown }
  return typeof constraint === 'string' ? constraint : null
}

function isConnectionLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return /Connection terminated|timeout|Client has encountered a connection error|not queryable/i.test(
    error.message,
  )
}
