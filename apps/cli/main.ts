#!/usr/bin/env node
import { CliFailure, EXIT, fail } from './command-line.js'

/** What a command is given: its own arguments. Resolves with the exit code. */
type Command = (args: string[]) => Promise<number>

/** Each is loaded when it is asked for: help must come at once. */
const COMMANDS: Readonly<Record<string, { does: string; load: () => Promise<Command> }>> = {
  verify: {
    does: 'check the whole log, or an export, against its hashes and signatures',
    load: async () => (await import('./verify-command.js')).verifyCommand,
  },
  export: {
    does: 'write the log, or one block, as JSON lines with everything that proves them',
    load: async () => (await import('./export-command.js')).exportCommand,
  },
  import: {
    does: 'verify an export and write its events into a database',
    load: async () => (await import('./import-command.js')).importCommand,
  },
  rebuild: {
    does: 'make the read models again from the log, or only compare them (--check)',
    load: async () => (await import('./rebuild-command.js')).rebuildCommand,
  },
}

const HELP = `palimpsest <command> [options]

${Object.entries(COMMANDS)
  .map(([name, { does }]) => `  ${name.padEnd(9)}${does}`)
  .join('\n')}

Options of a command: palimpsest <command> --help
The database is the one of DATABASE_URL, else the embedded one in PALIMPSEST_DATA_DIR (./.palimpsest).
Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 6 server unreachable, 7 verification failed, 130 interrupted.
npm start, npm run migrate and npm run tutorial start, migrate and show the service.
`

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP)
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  const command = COMMANDS[name]
  if (!command) {
    throw new CliFailure('usage', `There is no command ${name}.`, 'palimpsest --help')
  }
  return (await command.load())(args)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.exitCode = fail(error)
}
