import { z } from 'zod'

/** How one provider of models is reached. */
export interface ProviderSettings {
  /** First part of its handles. */
  readonly name: string
  /** Null for servers without keys. */
  readonly apiKey: string | null
  /** Null for OpenAI itself. */
  readonly baseUrl: string | null
  readonly wire: 'chat' | 'responses'
}

export interface ModelSettings {
  readonly providers: readonly ProviderSettings[]
  /** True when handles must name one of the providers; false: the only one answers whatever they name. */
  readonly named: boolean
  /** Names that agents may use in place of handles, and the handles they stand for. */
  readonly aliases: Readonly<Record<string, string>>
}

type Environment = Readonly<Record<string, string | undefined>>

const OPENAI = 'openai'
const NAME = /^[a-z][a-z0-9-]{0,31}$/
const HANDLE = /^[^/]+\/./
const NAME_RULE =
  'is no name of a provider: use 1 to 32 lower-case letters, digits and -, a letter first'

const provider = z.strictObject(
  {
    base_url: z
      .string()
      .trim()
      .regex(/^https?:\/\/./, 'must start with http:// or https://')
      .optional(),
    wire: z.enum(['chat', 'responses'], 'must be chat or responses').optional(),
  },
  { error: strangeKey },
)
const providers = z.record(z.string().regex(NAME), provider, {
  error: ({ code }) => (code === 'invalid_key' ? NAME_RULE : undefined),
})

/** A key in the JSON would be shown wherever the list is. */
function strangeKey(issue: { readonly code?: string; readonly keys?: readonly string[] }) {
  if (issue.code !== 'unrecognized_keys') return undefined
  const keys = (issue.keys ?? []).join(', ')
  return `has ${keys}: only base_url and wire are known (keys are read from <NAME>_API_KEY)`
}

/**
 * The providers of models that the environment names: `openai` by OPENAI_API_KEY and OPENAI_BASE_URL,
 * any others by PALIMPSEST_PROVIDERS, each with its key in `<NAME>_API_KEY`.
 *
 * @param env without empty variables.
 * @param faults takes one sentence for each thing that is wrong.
 */
export function readModelSettings(env: Environment, faults: string[]): ModelSettings {
  const named = env['PALIMPSEST_PROVIDERS'] !== undefined
  const listed = namedProviders(env, faults)
  const hasOpenAI = env['OPENAI_API_KEY'] || env['OPENAI_BASE_URL']
  const implied = hasOpenAI && !listed.some(({ name }) => name === OPENAI)
  const all = implied ? [connection(env, OPENAI), ...listed] : listed
  const known = named ? all.map(({ name }) => name) : null
  return { providers: all, named, aliases: readAliases(env, known, faults) }
}

function namedProviders(env: Environment, faults: string[]): ProviderSettings[] {
  const text = env['PALIMPSEST_PROVIDERS']
  if (text === undefined) return []
  const fault = (what: string) => faults.push(`PALIMPSEST_PROVIDERS ${what}`)
  const parsed = providers.safeParse(json(text))
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      const object = 'must be JSON such as {"groq":{"base_url":"https://api.groq.com/openai/v1"}}'
      fault(path.length === 0 ? object : `${path.join('.')} ${message}`)
    }
    return []
  }
  return Object.entries(parsed.data).map(([name, { base_url, wire }]) => {
    if (name !== OPENAI && !base_url) fault(`${name} needs a base_url`)
    if (name === OPENAI && base_url && env['OPENAI_BASE_URL']) {
      fault('openai.base_url is set, and so is OPENAI_BASE_URL: keep one of them')
    }
    const made = connection(env, name, base_url, wire)
    if (name === OPENAI && !made.apiKey && !made.baseUrl) fault('openai needs OPENAI_API_KEY')
    return made
  })
}

function connection(
  env: Environment,
  name: string,
  baseUrl?: string,
  wire: ProviderSettings['wire'] = 'chat',
): ProviderSettings {
  const own = name === OPENAI ? env['OPENAI_BASE_URL']?.trim() : undefined
  const apiKey = env[keyVariable(name)]?.trim() ?? null
  return { name, apiKey, baseUrl: baseUrl ?? own ?? null, wire }
}

/** @example keyVariable('openai-eu') // 'OPENAI_EU_API_KEY' */
export function keyVariable(name: string): string {
  return `${name.toUpperCase().replaceAll('-', '_')}_API_KEY`
}

/** `fast=groq/llama-3.3-70b-versatile,openai/gpt-4o-mini=ollama/qwen3`: one step each, no chains. */
function readAliases(
  env: Environment,
  known: readonly string[] | null,
  faults: string[],
): Record<string, string> {
  const aliases: Record<string, string> = Object.create(null)
  const fault = (what: string) => faults.push(`PALIMPSEST_MODEL_ALIASES ${what}`)
  const pairs = (env['PALIMPSEST_MODEL_ALIASES'] ?? '').split(',').map((pair) => pair.trim())
  for (const pair of pairs.filter((one) => one !== '')) {
    const at = pair.indexOf('=')
    const [alias, handle] = [pair.slice(0, Math.max(at, 0)).trim(), pair.slice(at + 1).trim()]
    const owner = handle.slice(0, handle.indexOf('/'))
    if (at < 1 || alias === '') fault(`must be alias=provider/model, by commas, not ${pair}`)
    else if (!HANDLE.test(handle)) fault(`${alias}: ${handle || 'nothing'} is no provider/model`)
    else if (alias in aliases) fault(`names ${alias} twice`)
    else if (known && !known.includes(owner)) fault(`${alias}: there is no provider ${owner}`)
    else aliases[alias] = handle
  }
  for (const [alias, handle] of Object.entries(aliases)) {
    if (handle in aliases) fault(`${alias}: ${handle} is itself an alias`)
  }
  return aliases
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
