import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto'
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type CheckpointSigner, keyIdOf, type PublicKeys } from '#event-store/checkpoint.js'
import { makeAuditDirectory } from './audit-directory.js'

/**
 * The key checkpoints are signed with: made on first use, readable by its owner alone. The public key
 * is written beside it, to be handed out.
 *
 * @throws whatever the file system throws.
 */
export function openSigningKey(dataDir: string): CheckpointSigner {
  const { signingKey, publicKey } = makeAuditDirectory(dataDir)
  if (!existsSync(signingKey)) createKey(signingKey)
  const key = createPrivateKey(readFileSync(signingKey))
  const open = createPublicKey(key)
  const pem = open.export({ type: 'spki', format: 'pem' })
  if (!existsSync(publicKey)) writeFileSync(publicKey, pem, { mode: 0o644 })
  return { keyId: keyIdOf(open), sign: (statement) => sign(null, statement, key) }
}

/**
 * Public keys of PEM files.
 *
 * @throws for a file that holds no ed25519 key; a private key gives its public half.
 */
export function readPublicKeys(paths: readonly string[]): PublicKeys {
  const keys = new Map<string, KeyObject>()
  for (const path of paths) {
    const key = createPublicKey(readFileSync(path))
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${path} holds no ed25519 key`)
    keys.set(keyIdOf(key), key)
  }
  return keys
}

/** A link appears whole or not at all: of two processes that start at once, both use the same key. */
function createKey(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519')
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { force: true })
  }
}
