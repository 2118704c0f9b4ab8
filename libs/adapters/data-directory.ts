import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { EmbeddedPostgresError } from './embedded-postgres-error.js'

/** A system user the server runs as, because it refuses to run as root. */
export interface ServerUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** Where the embedded Postgres keeps everything it has. */
export interface DataDirectory {
  /** Absolute, free of symbolic links. */
  readonly path: string
  /** The database cluster inside it; absent until first use. */
  readonly cluster: string
  /** The directory that was asked for, when the server's user could not have entered it. */
  readonly relocatedFrom: string | null
  /** Null: the server runs as the user who started us. */
  readonly user: ServerUser | null
}

/** In the directory asked for: names the one that is used instead. */
const MOVED = 'moved-to'
const CLUSTER = 'postgres'
const SECRET = 'postgres.secret'
/** Survives a reboot, which /tmp need not. */
const ELSEWHERE = '/var/tmp'
/** Others may pass through, not list: the server's user must reach the cluster. */
const PASSABLE = 0o711

/**
 * Makes the data directory ready for use. As root the server runs as another user, and that user must
 * be able to enter every parent; where one bars the way, a directory under /var/tmp is used instead
 * and remembered, so that the next start finds the same data.
 *
 * @throws EmbeddedPostgresError when it cannot be written, or when there is data the user cannot reach.
 */
export function openDataDirectory(wanted: string): DataDirectory {
  const asked = create(resolve(wanted))
  const user = process.getuid?.() === 0 ? serverUser(join(asked, CLUSTER)) : null
  const at = (path: string, relocatedFrom: string | null): DataDirectory => ({
    path,
    cluster: join(path, CLUSTER),
    relocatedFrom,
    user,
  })
  const moved = movedTo(asked)
  if (moved) return at(moved, asked)
  const barrier = user && firstBarred(asked, user)
  if (!user || !barrier) return at(asked, null)
  if (existsSync(join(asked, CLUSTER))) {
    throw new EmbeddedPostgresError(
      'not_enterable',
      `${asked} holds data, but the user ${user.name}, as whom Postgres runs, may not enter ${barrier}.`,
      `chmod o+x ${barrier}`,
    )
  }
  return at(moveAway(asked), asked)
}

/** The superuser's password: made on first use, readable by nobody else. */
export function readSecret(directory: DataDirectory): string {
  const path = join(directory.path, SECRET)
  if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  if (existsSync(directory.cluster)) {
    throw new EmbeddedPostgresError(
      'secret_lost',
      `${path} is missing: it holds the password of the database beside it.`,
      `mv ${directory.path} ${directory.path}.old && npm start`,
    )
  }
  writeFileSync(path, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 })
  if (directory.user) chownSync(path, directory.user.uid, directory.user.gid)
  return readFileSync(path, 'utf8').trim()
}

export function secretPath(directory: DataDirectory): string {
  return join(directory.path, SECRET)
}

/**
 * The first of a path and its parents that a user cannot enter (or, for a file, run), or null. The
 * system itself is asked, as that user: mode bits alone would miss access lists.
 */
export function firstBarred(path: string, user: ServerUser): string | null {
  const chain = [path]
  while (dirname(chain[0]!) !== chain[0]) chain.unshift(dirname(chain[0]!))
  const script = 'for at do [ -x "$at" ] || { printf %s "$at"; exit 0; }; done'
  const { stdout, error } = spawnSync('/bin/sh', ['-c', script, 'sh', ...chain], {
    uid: user.uid,
    gid: user.gid,
    cwd: '/',
    env: {},
    encoding: 'utf8',
  })
  if (error) throw error
  return stdout || null
}

function create(path: string): string {
  try {
    if (!existsSync(path)) {
      mkdirSync(path, { recursive: true })
      chmodSync(path, process.getuid?.() === 0 ? PASSABLE : 0o700)
    }
    // Written now, so that a foreign or read-only directory is explained here and not by initdb.
    writeFileSync(join(path, '.gitignore'), '*\n')
    return realpathSync(path)
  } catch (error) {
    throw new EmbeddedPostgresError(
      'not_writable',
      `The data directory ${path} cannot be written: ${(error as Error).message}.`,
      'PALIMPSEST_DATA_DIR=~/palimpsest-data npm start',
      { cause: error },
    )
  }
}

function movedTo(asked: string): string | null {
  const marker = join(asked, MOVED)
  if (!existsSync(marker)) return null
  const path = readFileSync(marker, 'utf8').trim()
  // Only a directory that is root's own: anybody may make names under /var/tmp.
  return existsSync(path) && statSync(path).uid === 0 ? path : null
}

function moveAway(asked: string): string {
  const clone = basename(dirname(asked)).replace(/[^A-Za-z0-9._-]/g, '-') || 'data'
  const path = mkdtempSync(join(ELSEWHERE, `palimpsest-${clone}-`))
  chmodSync(path, PASSABLE)
  writeFileSync(join(asked, MOVED), `${path}\n`)
  return path
}

/** The owner of an existing cluster, else the system's `postgres`, else `nobody`. None is created. */
function serverUser(cluster: string): ServerUser {
  const users = passwd()
  if (existsSync(cluster)) {
    const { uid, gid } = statSync(cluster)
    if (uid !== 0) return users.find((user) => user.uid === uid) ?? { name: `${uid}`, uid, gid }
  }
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const user = users.find((candidate) => candidate.name === name)
    if (user) return user
  }
  return { name: 'nobody', uid: 65_534, gid: 65_534 }
}

function passwd(): ServerUser[] {
  if (!existsSync('/etc/passwd')) return []
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  return lines
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4)
    .map(([name, , uid, gid]) => ({ name: name!, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }))
}
