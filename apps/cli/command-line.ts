import { type ParseArgsConfig, parseArgs } from 'node:util'

/** What a command ends with. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 6,
  /** Something was tampered with. */
  unverified: 7,
  interrupted: 130,
} as const

/** A command that cannot go on: what, and the command that mends it. */
export class CliFailure extends Error {
  constructor(
    readonly exit: keyof typeof EXIT,
    message: string,
    readonly command: string | null = null,
    options?: { cause?: unknown },
  ) {
    super(message, options)
    this.name = 'CliFailure'
  }
}

/** Tells a person why it ended. @returns the exit code. */
export function fail(error: unknown): number {
  if (error instanceof CliFailure) {
    process.stderr.write(`✘ ${error.message}\n`)
    if (error.command) process.stderr.write(`  To go on: ${error.command}\n`)
    return EXIT[error.exit]
  }
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  process.stderr.write(`✘ ${message}\n`)
  return name === 'AbortError' ? EXIT.interrupted : EXIT.failed
}

/**
 * The options and arguments of a command; null after `--help`, which prints the usage.
 *
 * @throws CliFailure usage
 */
export function readArguments<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  usage: string,
  options: Options,
) {
  const all = { ...options, help: { type: 'boolean', short: 'h' } } as const
  try {
    const parsed = parseArgs({ args, options: all, allowPositionals: true })
    if (!(parsed.values as { help?: boolean }).help) return parsed
  } catch (error) {
    throw new CliFailure('usage', (error as Error).message, usage.split('\n')[0])
  }
  process.stdout.write(usage)
  return null
}

/** A position or version given as an option. @throws CliFailure usage */
export function wholeNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new CliFailure('usage', `--${name} ${text} is no whole number.`)
}

/** 1,234,567 */
export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
