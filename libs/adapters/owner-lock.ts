import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { processStart } from './process-identity.js'

const FILE = 'owner.lock'
const ATTEMPTS_MAX = 20

/** A running process that holds a data directory. */
export interface Owner {
  readonly pid: number
  readonly startedAt: string
}

/** The exclusive use of a data directory by this process. */
export interface OwnerLock {
  release(): void
}

/**
 * Takes a data directory for this process. The lock of a process that has ended is taken over, so a
 * kill -9 leaves nothing to clean up.
 *
 * @returns the lock, or the running process that holds it (which may be this one).
 */
export function takeOwnerLock(directory: string): OwnerLock | Owner {
  const path = join(directory, FILE)
  const draft = `${path}.${process.pid}.${process.hrtime.bigint()}`
  const self: Owner = { pid: process.pid, startedAt: processStart(process.pid) ?? '' }
  const text = JSON.stringify(self)
  writeFileSync(draft, text, { mode: 0o644 })
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      // A link appears whole or not at all: nobody ever reads half a lock.
      if (linked(draft, path)) return { release: () => release(path, text) }
      const held = readText(path)
      if (held === null) continue
      const owner = runningOwner(held)
      if (owner) return owner
      discard(path, held)
    }
    throw new Error(`${path} changes hands faster than it can be read`)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** The running process that holds a data directory, or null. */
export function ownerOf(directory: string): Owner | null {
  const held = readText(join(directory, FILE))
  return held === null ? null : runningOwner(held)
}

function runningOwner(text: string): Owner | null {
  try {
    const owner = JSON.parse(text) as Owner
    return processStart(owner.pid) === owner.startedAt ? owner : null
  } catch {
    return null
  }
}

/** Removes a dead lock. Another process may have taken the directory since it was read: then its lock goes back. */
function discard(path: string, dead: string): void {
  const aside = `${path}.dead.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (readText(aside) !== dead) linked(aside, path)
  rmSync(aside, { force: true })
}

function release(path: string, text: string): void {
  if (readText(path) === text) rmSync(path, { force: true })
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
