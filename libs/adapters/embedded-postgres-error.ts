/** Why the embedded Postgres cannot be used, in words for the person who started it. */
export class EmbeddedPostgresError extends Error {
  /** @param hint the one command that mends it. */
  constructor(
    readonly reason:
      | 'in_use'
      | 'not_enterable'
      | 'not_writable'
      | 'no_binaries'
      | 'other_version'
      | 'secret_lost'
      | 'aborted'
      | 'failed',
    message: string,
    readonly hint: string,
    options?: { cause?: unknown },
  ) {
    super(message, options)
    this.name = 'EmbeddedPostgresError'
  }
}
