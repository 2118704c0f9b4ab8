/**
 * A circuit breaker: how callers who share a limit leave a provider alone together, and come back one at
 * a time. Times are milliseconds since 1970.
 */
export interface BreakerState {
  /** Calls in a row that failed though they might have been answered. */
  readonly failures: number
  /** How often in a row it was opened. */
  readonly openings: number
  /** Null: closed. In the past: half open, somebody may try. */
  readonly openUntil: number | null
  /** Until when somebody who tries is waited for. */
  readonly probeUntil: number | null
}

export const CLOSED: BreakerState = { failures: 0, openings: 0, openUntil: null, probeUntil: null }

/** What came of a call. Whoever refuses a request for what it says has answered. */
export type CallOutcome =
  | { readonly type: 'answered' }
  | { readonly type: 'limited'; readonly retryAfterMs: number | null }
  | { readonly type: 'failed' }
  /** Nobody waited for the answer. */
  | { readonly type: 'abandoned' }

export type Admission =
  | { readonly admitted: true; readonly state: BreakerState }
  | { readonly admitted: false; readonly until: number }

/** Failures in a row that open it. A limit opens it at once. */
export const FAILURES_MAX = 5
export const OPEN_MS_MIN = 1_000
/** Without a word of the provider's; with one, ten times as long. */
export const OPEN_MS_MAX = 60_000
const ASKED_MS_MAX = 10 * OPEN_MS_MAX
/** Whoever died while trying is waited for no longer than this. */
export const PROBE_MS = 60_000
/** How soon the others look again while somebody tries. */
export const LOOK_AGAIN_MS = 5_000

/** Whether a call may be made now; half open, the first caller's is the one that is waited for. */
export function admit(state: BreakerState, now: number): Admission {
  const { openUntil, probeUntil } = state
  if (openUntil === null) return { admitted: true, state }
  if (now < openUntil) return { admitted: false, until: openUntil }
  if (probeUntil !== null && now < probeUntil) {
    return { admitted: false, until: Math.min(probeUntil, now + LOOK_AGAIN_MS) }
  }
  return { admitted: true, state: { ...state, probeUntil: now + PROBE_MS } }
}

/** The state after a call; the very same one where the call changes nothing. */
export function settle(state: BreakerState, outcome: CallOutcome, now: number): BreakerState {
  const isOpen = state.openUntil !== null && now < state.openUntil
  switch (outcome.type) {
    case 'abandoned':
      return state.probeUntil === null ? state : { ...state, probeUntil: null }
    case 'answered':
      // An answer to a call made before it was opened says nothing about the next one.
      return isOpen || (state.openUntil === null && state.failures === 0) ? state : CLOSED
    case 'limited':
      return opened(state, isOpen, outcome.retryAfterMs, now)
    case 'failed': {
      if (isOpen) return state
      const counted = { ...state, failures: state.failures + 1 }
      const opens = state.openUntil !== null || counted.failures >= FAILURES_MAX
      return opens ? opened(counted, false, null, now) : counted
    }
  }
}

function opened(
  state: BreakerState,
  isOpen: boolean,
  askedMs: number | null,
  now: number,
): BreakerState {
  const openings = isOpen ? state.openings : state.openings + 1
  const ownMs = Math.min(OPEN_MS_MAX, OPEN_MS_MIN * 2 ** (openings - 1))
  const until = now + (askedMs === null ? ownMs : Math.min(ASKED_MS_MAX, askedMs))
  return { ...state, openings, openUntil: Math.max(state.openUntil ?? 0, until), probeUntil: null }
}
