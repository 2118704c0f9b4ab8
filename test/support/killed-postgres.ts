import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/**
 * Ends a Postgres with SIGKILL, every process of it at once.
 *
 * @param atOnce done in the same instant, before the first of them is gone.
 */
export async function killPostgres(
  postmaster: number,
  atOnce: () => void = () => {},
): Promise<void> {
  // Stopped first: it begins no further process, and nobody notices its death before his own.
  process.kill(postmaster, 'SIGSTOP')
  // Not waited for in place: while we block, the sessions would run dry.
  const pids = [...(await childrenOf(postmaster)), postmaster]
  atOnce()
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      // A session may have ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  }
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid)
    .map(([child]) => child as number)
}
