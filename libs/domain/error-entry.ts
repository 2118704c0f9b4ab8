/** One way to be refused. */
export interface ErrorEntry {
  /** The HTTP status. To the domain it is only a number in a table. */
  readonly status: number
  readonly title: string
  /** What to do next, when the refusal itself knows nothing more exact. */
  readonly hint: string
  /** True where the same request may succeed after waiting. */
  readonly retry: boolean
}

/** Sending the same again cannot help. */
export function refusal(status: number, title: string, hint: string): ErrorEntry {
  return { status, title, hint, retry: false }
}

/** The same request may succeed later. */
export function wait(status: number, title: string, hint: string): ErrorEntry {
  return { status, title, hint, retry: true }
}
