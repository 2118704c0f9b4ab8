import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * When a process began, in an opaque form that differs when its id is given to another process.
 * A process id alone names nobody: after a crash it may belong to somebody else.
 *
 * @returns null when no such process runs (one that has ended and waits to be reaped counts as ended).
 */
export function processStart(pid: number): string | null {
  if (!Number.isInteger(pid) || pid <= 0) return null
  if (process.platform !== 'linux') return ps(pid, 'lstart=')
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets and may hold spaces: count from its end.
    const [state, ...rest] = fields.slice(fields.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? null : (rest[18] ?? null)
  } catch {
    return null
  }
}

/** The command line of a process, or null when it has ended or may not be looked at. */
export function processCommand(pid: number): string | null {
  if (process.platform !== 'linux') return ps(pid, 'command=')
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() || null
  } catch {
    return null
  }
}

/** The directory a process works in, or null where the system does not tell. */
export function processDirectory(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return null
  }
}

function ps(pid: number, column: string): string | null {
  try {
    const args = ['-p', String(pid), '-o', column]
    return execFileSync('ps', args, { encoding: 'utf8', stdio: 'pipe' }).trim() || null
  } catch {
    return null
  }
}
