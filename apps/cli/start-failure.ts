import { ConfigError } from '#adapters/config.js'
import { EmbeddedPostgresError } from '#adapters/embedded-postgres-error.js'
import { BootRefusal } from '#postgres/boot-checks.js'
import { MigrationError } from '#postgres/migrator.js'

/** A start that cannot go on, told to the person at the terminal: what, why, the one command that mends it. */
export class StartFailure extends Error {
  constructor(
    readonly what: string,
    readonly why: string,
    readonly command: string,
  ) {
    super(`${what} ${why}`)
    this.name = 'StartFailure'
  }

  override toString(): string {
    const why = this.why.replaceAll('\n', '\n             ')
    return `\n  ✘ ${this.what}\n    Why:     ${why}\n    Mend it: ${this.command}\n`
  }
}

/** Any error of a start, in words for the person at the terminal. Passwords in URLs are left out. */
export function explain(error: unknown): StartFailure {
  if (error instanceof StartFailure) return error
  if (error instanceof ConfigError) return environmentFailure(error)
  if (error instanceof EmbeddedPostgresError) {
    return new StartFailure('The embedded Postgres cannot be used.', error.message, error.hint)
  }
  if (error instanceof BootRefusal) {
    return new StartFailure('The database is not safe to work with.', error.message, error.hint)
  }
  if (error instanceof MigrationError && error.reason === 'newer_schema') {
    return new StartFailure(
      'The data belong to a newer version of Palimpsest.',
      error.message,
      'git pull && npm start',
    )
  }
  const fault = innermost(error)
  const server = serverFailure(fault)
  if (server) return server
  const words = fault.message || String(error)
  if (error instanceof MigrationError) {
    const command = 'DATABASE_OWNER_URL=postgres://owner:password@host/database npm start'
    return new StartFailure('The database could not be brought to this version.', words, command)
  }
  return new StartFailure('Palimpsest could not start.', words, 'npm run build && npm start')
}

/** The login and the password of a URL are nobody's business on a screen. */
export function publicUrl(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}

function environmentFailure(error: ConfigError): StartFailure {
  const names = new Set(error.faults.flatMap((fault) => fault.match(/^[A-Z_]+/) ?? []))
  return new StartFailure(
    'The environment is not valid.',
    error.faults.join('\n'),
    `unset ${[...names].join(' ')} && npm start`,
  )
}

function serverFailure(error: NodeJS.ErrnoException): StartFailure | null {
  const embedded = 'env -u DATABASE_URL npm start   (uses the embedded Postgres)'
  switch (error.code) {
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
      return new StartFailure(
        'The Postgres of DATABASE_URL does not answer.',
        error.message,
        embedded,
      )
    case '28P01':
    case '28000':
    case '3D000':
      return new StartFailure('The Postgres of DATABASE_URL refuses us.', error.message, embedded)
    default:
      return null
  }
}

/** A connection to a name with several addresses fails with one error for each. */
function innermost(error: unknown): NodeJS.ErrnoException {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(error.errors[0])
  if (error instanceof Error && error.cause instanceof Error) return innermost(error.cause)
  return error instanceof Error ? error : new Error(String(error))
}
