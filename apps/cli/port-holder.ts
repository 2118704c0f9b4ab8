import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { processCommand } from '#adapters/process-identity.js'

/** A process that listens on a port. */
export interface PortHolder {
  readonly pid: number
  readonly command: string
}

const LISTENING = '0A'

/** Tries to listen. Resolves with what the system objects to, or null when the port can be had. */
export function portObjection(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)))
  })
}

/** Who listens on a port; null when the system does not tell, as for a process of another user. */
export function portHolder(port: number): PortHolder | null {
  const pid = process.platform === 'linux' ? holderOnLinux(port) : holderByLsof(port)
  return pid === null ? null : { pid, command: processCommand(pid) ?? 'unknown' }
}

function holderOnLinux(port: number): number | null {
  const sockets = new Set(['tcp', 'tcp6'].flatMap((table) => listeningSockets(table, port)))
  if (sockets.size === 0) return null
  for (const pid of readdirSync('/proc')) {
    if (/^\d+$/.test(pid) && openFiles(pid).some((file) => sockets.has(file))) return Number(pid)
  }
  return null
}

/** The second column is address:port in hexadecimal, the fourth the state, the tenth the inode. */
function listeningSockets(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync(`/proc/net/${table}`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(suffix) && columns[3] === LISTENING)
    .map((columns) => `socket:[${columns[9]}]`)
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => linkTarget(`/proc/${pid}/fd/${fd}`))
  } catch {
    return []
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function holderByLsof(port: number): number | null {
  try {
    const args = ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-t']
    const said = execFileSync('lsof', args, { encoding: 'utf8', stdio: 'pipe' })
    return Number.parseInt(said, 10) || null
  } catch {
    return null
  }
}
