import { relative, resolve } from 'node:path'
import type { Config } from '#adapters/config.js'
import { publicUrl } from './start-failure.js'

/** What the person at the terminal is told first: what is simulated, and where the data are. */
export function header(config: Config, version: string): string {
  return [`palimpsest ${version}  ·  ${mode(config)}  ·  ${place(config)}`, ...advice(config)].join(
    '\n',
  )
}

/** One thing that is ready; the time it took in milliseconds. */
export function step(title: string, where = '', tookMs?: number): string {
  const took = tookMs === undefined ? '' : `${seconds(tookMs)}`
  return `  ✔ ${title.padEnd(16)} ${where.padEnd(24)} ${took}`.trimEnd()
}

/** What one worker does at once, and through which queue. */
export function queueStep(config: Config): string {
  const queue = config.redisUrl ? `Redis ${publicUrl(config.redisUrl)}` : 'Postgres'
  return step('Queue', `${queue} · 1 worker × ${config.turns} turns`)
}

/** The end of a start: where to go, what to try, how to stop. */
export function ready(config: Config, port: number, tookMs: number): string {
  const key = config.apiKey
    ? 'PALIMPSEST_API_KEY, sent as a bearer token'
    : 'none needed on this machine (set PALIMPSEST_API_KEY to require one)'
  return [
    `  ✔ Ready in ${seconds(tookMs)}`,
    '',
    `  API    http://${address(config.host)}:${port}      (Letta clients: baseUrl / LETTA_BASE_URL)`,
    `  Key    ${key}`,
    '',
    '  Next:  npm run tutorial      runs the shared-memory tutorial, in another terminal',
    '  Stop:  Ctrl-C',
    '',
  ].join('\n')
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

/** A path as the person would type it from where they are. */
export function displayPath(path: string): string {
  const short = relative(process.cwd(), resolve(path))
  return short.startsWith('..') ? resolve(path) : `./${short}`
}

function mode({ simulated, models, exa }: Config): string {
  const stand = [simulated.model && 'model', simulated.search && 'web search'].filter(Boolean)
  const real = [
    !simulated.model && `model: ${modelServers(models)}`,
    !simulated.search && `web search: ${exa.apiKey || exa.baseUrl ? 'Exa' : 'none'}`,
  ].filter(Boolean)
  const told = stand.length > 0 ? [`SIMULATED ${stand.join(' and ')}`] : []
  return [...told, ...real].join(', ')
}

function modelServers({ providers, named }: Config['models']): string {
  if (providers.length === 0) return 'none (set OPENAI_API_KEY)'
  if (named) return providers.map(({ name }) => name).join(' and ')
  return providers.map(({ baseUrl }) => (baseUrl ? new URL(baseUrl).host : 'OpenAI')).join()
}

function place(config: Config): string {
  if (config.databaseUrl) return `data in ${publicUrl(config.databaseUrl)}`
  return `data in ${displayPath(config.dataDir)} (kept between runs)`
}

function advice({ simulated, models, exa }: Config): string[] {
  if (!simulated.model && !simulated.search) return ['']
  const keys =
    models.providers.length > 0 || exa.apiKey ? '' : ' (no OPENAI_API_KEY or EXA_API_KEY is used)'
  return [
    '',
    `  SIMULATED  Answers come from scripted stand-ins${keys}.`,
    '             Real OpenAI:   OPENAI_API_KEY=… EXA_API_KEY=… npm start',
    '             Local Ollama:  OPENAI_BASE_URL=http://localhost:11434/v1 npm start',
    '',
  ]
}

function address(host: string): string {
  return host === '127.0.0.1' || host === '::1' || host === '0.0.0.0' ? 'localhost' : host
}
