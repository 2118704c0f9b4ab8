import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** What proves the history, beside the data and not in the database. */
export interface AuditDirectory {
  readonly path: string
  readonly checkpoints: string
  readonly signingKey: string
  readonly publicKey: string
}

/** Where it is, whether it is there or not. */
export function auditDirectory(dataDir: string): AuditDirectory {
  const path = join(resolve(dataDir), 'audit')
  return {
    path,
    checkpoints: join(path, 'checkpoints.jsonl'),
    signingKey: join(path, 'signing-key.pem'),
    publicKey: join(path, 'public-key.pem'),
  }
}

/** Makes it, for its owner alone: the user the embedded server runs as must not enter it either. */
export function makeAuditDirectory(dataDir: string): AuditDirectory {
  const directory = auditDirectory(dataDir)
  if (existsSync(directory.path)) return directory
  if (!existsSync(dataDir)) {
    mkdirSync(dataDir, { recursive: true, mode: 0o711 })
    writeFileSync(join(dataDir, '.gitignore'), '*\n')
  }
  mkdirSync(directory.path, { recursive: true, mode: 0o700 })
  return directory
}
