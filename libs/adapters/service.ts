import { BootRefusal } from '#postgres/boot-checks.js'
import { MigrationError } from '#postgres/migrator.js'
import { type Config, ConfigError, readConfig } from './config.js'

/** `drain`: what is under way is finished as far as it must not be repeated. `now`: somebody waits for the end. */
export type Stop = 'drain' | 'now'

/** An api or a worker, running. `announce` is what its parent is told once it is ready. */
export interface RunningService {
  readonly announce: Readonly<Record<string, unknown>>
  close(how: Stop): Promise<void>
}

/**
 * SIGTERM comes from whoever replaces a process, and can wait. SIGINT comes from a person, or from the
 * supervisor on behalf of one; a terminal that was closed waits for nobody.
 */
const SIGNALS = { SIGTERM: 'drain', SIGINT: 'now', SIGHUP: 'now' } as const
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
  const stop = (how: Stop): void => {
    const repeated = stoppingSince > 0 && Date.now() - stoppingSince > SIGNAL_ECHO_MS
    if (repeated) process.exit(130)
    if (stoppingSince > 0) return
    stoppingSince = Date.now()
    setTimeout(() => process.exit(1), CLOSE_DEADLINE_MS).unref()
    const closed = service ? service.close(how) : Promise.resolve()
    closed.then(
      () => process.exit(0),
      (error) => {
        console.error(`${name}: could not stop cleanly`, error)
        process.exit(1)
      },
    )
  }
  for (const [signal, how] of Object.entries(SIGNALS)) process.on(signal, () => stop(how))
  if (process.connected) process.on('disconnect', () => stop('now'))
  try {
    const config = readConfig(process.env)
    if (!config.databaseUrl) {
      throw new ConfigError(['DATABASE_URL is not set: start everything with npm start, or set it'])
    }
    service = await open(config, config.databaseUrl)
    if (stoppingSince > 0) await service.close('now')
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
