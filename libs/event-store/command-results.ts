import type { Rejection } from '#domain/errors.js'
import { rejection } from '#domain/errors.js'
import type { Queryable } from './stream-reader.js'
import type { Unit, Verdict } from './unit.js'

/**
 * The first answer to a command id, refusals included, or null when the id is new.
 * The same id with another fingerprint is `idempotency_key_reused`.
 */
export async function storedVerdict(
  db: Queryable,
  tenantId: string,
  command: NonNullable<Unit<unknown>['command']>,
): Promise<Verdict<unknown> | null> {
  const { rows } = await db.query<{
    fingerprint: Buffer
    verdict: 'ok' | 'rejected'
    facts: unknown
  }>({
    name: 'stored-verdict',
    text: `select fingerprint, verdict, facts from command_results where tenant_id = $1 and command_id = $2`,
    values: [tenantId, command.id],
  })
  const row = rows[0]
  if (!row) return null
  if (!row.fingerprint.equals(command.fingerprint)) {
    const reused = rejection(
      'idempotency_key_reused',
      'This idempotency key was used before, for another request',
    )
    return { status: 'rejected', rejection: reused, replayed: false }
  }
  if (row.verdict === 'ok') return { status: 'ok', result: row.facts, replayed: true, events: [] }
  return { status: 'rejected', rejection: row.facts as Rejection, replayed: true }
}
