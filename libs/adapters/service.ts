import { BootRefusal } from '#postgres/boot-checks.js'
import { MigrationError } from '#postgres/migrator.js'
import { type Config, ConfigError, readConfig } from './config.js'

/** An api or a worker, running. `announce` is what its parent is told once it is ready. */
export interface RunningService {
  readonly announce: Readonly<Record<string, unknown>>
  close(): Promise<void>
}

/** A process that does not stop by itself is ended after this long. */
const CLOSE_DEADLINE_MS = 30_000
/** One Ctrl-C may arrive twice, from the terminal and from the parent. */
const SIGNAL_ECHO_MS = 500

/**
 * Runs a service as a process: on its own under any process manager, or as the child of the
 * supervisor, whose death it notices.
 */
export async function runService(
  name: string,
  open: (config: Config, databaseUrl: string) => Promise<RunningService>,
): Promise<void> {
  let service: RunningService | null = null
  let stoppingSince = 0
  const stop = (): void => {
    const repeated = stoppingSince > 0 && Date.now() - stoppingSince > SIGNAL_ECHO_MS
    if (repeated) process.exit(130)
    if (stoppingSince > 0) return
    stoppingSince = Date.now()
    setTimeout(() => process.exit(1), CLOSE_DEADLINE_MS).unref()
    const closed = service ? service.close() : Promise.resolve()
    closed.then(
      () => process.exit(0),
      (error) => {
        console.error(`${name}: could not stop cleanly`, error)
        process.exit(1)
      },
    )
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  if (process.connected) process.on('disconnect', stop)
  try {
    const config = readConfig(process.env)
    if (!config.databaseUrl) {
      throw new ConfigError(['DATABASE_URL is not set: start everything with npm start, or set it'])
    }
    service = await open(config, config.databaseUrl)
    if (stoppingSince > 0) await service.close()
    else process.send?.({ type: 'ready', ...service.announce })
  } catch (error) {
    fail(name, error)
  }
}

function fail(name: string, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  const refused = error instanceof BootRefusal
  const expected = error instanceof ConfigError || error instanceof MigrationError || refused
  const hint = refused
    ? error.hint
    : error instanceof MigrationError
      ? 'npm run migrate'
      : 'npm start'
  console.error(`${name} could not start: ${message}`)
  if (refused) console.error(`To go on: ${hint}`)
  if (!expected) console.error(error)
  if (process.send) process.send({ type: 'failed', message, hint }, () => process.exit(1))
  else process.exit(1)
}
