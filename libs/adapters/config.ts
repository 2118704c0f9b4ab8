import { z } from 'zod'
import { type ModelSettings, readModelSettings } from './model-settings.js'

/** The environment, read once per process; every fault is told at once. */
export interface Config {
  readonly host: string
  readonly port: number
  readonly databaseUrl: string | null
  readonly databaseOwnerUrl: string | null
  readonly redisUrl: string | null
  /** What the keys of all queues in Redis begin with. */
  readonly queuePrefix: string
  readonly dataDir: string
  readonly turns: number
  readonly allowUnsafeDurability: boolean
  readonly apiKey: string | null
  readonly models: ModelSettings
  readonly exa: { readonly apiKey: string | null; readonly baseUrl: string | null }
  /** Which stand-ins answer: decided here, once, so that api and worker say the same. */
  readonly simulated: { readonly model: boolean; readonly search: boolean }
  /** Set by the supervisor for its children: the database it embeds. */
  readonly embedded: boolean
}

export class ConfigError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(`The environment is not valid:\n${faults.map((f) => `  - ${f}`).join('\n')}`)
    this.name = 'ConfigError'
  }
}

const text = z.string().trim().min(1).optional()
const url = (protocols: readonly string[]) =>
  text.refine((v) => v === undefined || protocols.some((p) => v.startsWith(`${p}://`)), {
    message: `must start with ${protocols.map((p) => `${p}://`).join(' or ')}`,
  })

const environment = z.object({
  HOST: text,
  PORT: text.refine((v) => v === undefined || (/^\d+$/.test(v) && Number(v) <= 65_535), {
    message: 'must be a port number, 0 to 65535',
  }),
  DATABASE_URL: url(['postgres', 'postgresql']),
  DATABASE_OWNER_URL: url(['postgres', 'postgresql']),
  REDIS_URL: url(['redis', 'rediss']),
  PALIMPSEST_QUEUE_PREFIX: text.refine((v) => v === undefined || /^[\w.{}-]{1,64}$/.test(v), {
    message: 'must be 1 to 64 letters, digits, or . _ - { }',
  }),
  PALIMPSEST_DATA_DIR: text,
  PALIMPSEST_TURNS: text.refine(
    (v) => v === undefined || (/^\d+$/.test(v) && Number(v) >= 1 && Number(v) <= 4096),
    { message: 'must be a whole number, 1 to 4096' },
  ),
  PALIMPSEST_ALLOW_UNSAFE_DURABILITY: z.enum(['1', '0', 'true', 'false', '']).optional(),
  PALIMPSEST_API_KEY: text.refine((v) => v === undefined || v.length >= 16, {
    message: 'must have at least 16 characters',
  }),
  OPENAI_API_KEY: text,
  OPENAI_BASE_URL: url(['http', 'https']),
  PALIMPSEST_PROVIDERS: text,
  PALIMPSEST_MODEL_ALIASES: text,
  EXA_API_KEY: text,
  EXA_BASE_URL: url(['http', 'https']),
  PALIMPSEST_SIMULATED: z.enum(['auto', 'never', 'always']).optional(),
  PALIMPSEST_EMBEDDED: z.enum(['1', '0']).optional(),
})

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '::1'])

/**
 * Reads the environment. Empty variables count as absent.
 *
 * @throws ConfigError naming every fault, never only the first.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const parsed = environment.safeParse(present)
  const faults = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`)
  const e = (parsed.success ? parsed.data : present) as z.infer<typeof environment>
  const host = e.HOST ?? '127.0.0.1'
  if (!isLoopback(host) && !e.PALIMPSEST_API_KEY) {
    faults.push(
      `HOST ${host} is reachable from other machines: set PALIMPSEST_API_KEY (16 characters or more), or leave HOST at 127.0.0.1`,
    )
  }
  if (e.PALIMPSEST_QUEUE_PREFIX && !e.REDIS_URL) {
    faults.push(
      'PALIMPSEST_QUEUE_PREFIX is for queues in Redis: set REDIS_URL, or leave it; in Postgres each database has queues of its own',
    )
  }
  const models = readModelSettings(present, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  const embedded = e.PALIMPSEST_EMBEDDED === '1' || !e.DATABASE_URL
  return {
    host,
    port: Number(e.PORT ?? 8283),
    databaseUrl: e.DATABASE_URL ?? null,
    databaseOwnerUrl: e.DATABASE_OWNER_URL ?? null,
    redisUrl: e.REDIS_URL ?? null,
    queuePrefix: e.PALIMPSEST_QUEUE_PREFIX ?? 'bull',
    dataDir: e.PALIMPSEST_DATA_DIR ?? './.palimpsest',
    turns: Number(e.PALIMPSEST_TURNS ?? 64),
    allowUnsafeDurability: ['1', 'true'].includes(e.PALIMPSEST_ALLOW_UNSAFE_DURABILITY ?? ''),
    apiKey: e.PALIMPSEST_API_KEY ?? null,
    models,
    exa: { apiKey: e.EXA_API_KEY ?? null, baseUrl: e.EXA_BASE_URL ?? null },
    simulated: simulation(e, models, embedded),
    embedded,
  }
}

/** `auto`: stand-ins only when no key is set *and* everything is embedded; never in place of a real provider. */
function simulation(
  e: z.infer<typeof environment>,
  models: ModelSettings,
  embedded: boolean,
): { model: boolean; search: boolean } {
  const mode = e.PALIMPSEST_SIMULATED ?? 'auto'
  if (mode === 'always') return { model: true, search: true }
  if (mode === 'never') return { model: false, search: false }
  const keyed = models.providers.length > 0 || e.EXA_API_KEY || e.EXA_BASE_URL
  const on = !keyed && embedded && !e.REDIS_URL
  return { model: on, search: on }
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host)
}
