// What earlier attempts have brought about, of this process or of another.
import { rejection } from '#domain/errors.js'

/**
 * By the stored result, or by the hash of the first event that an attempt would have written.
 *
 * @param {import('./process.mjs').WriterProcess} process
 * @param {any} pending
 * @returns {any} a verdict, or null
 */
export function answered(process, pending) {
  const stored = storedVerdict(process, pending)
  if (stored) return stored
  for (const { event, hash, verdict } of pending.attempts) {
    const rows = process.store.streams.get(event.streamId)?.events ?? []
    const row = rows.find((one) => one.event.version === event.version)
    if (row?.link.hash.equals(hash)) return verdict
  }
  return null
}

/**
 * The first answer to a command id.
 *
 * @param {import('./process.mjs').WriterProcess} process
 * @param {any} pending
 * @returns {any} a verdict, or null
 */
export function storedVerdict({ rules, store }, { commandId, call }) {
  const row = rules.resultOf(store, commandId)
  if (!row) return null
  if (rules.isReused(row, call.unit.command.fingerprint)) {
    const reused = rejection('idempotency_key_reused', '')
    return { status: 'rejected', rejection: reused, replayed: false }
  }
  call.judged = row.judged ?? call.judged
  const facts = JSON.parse(row.facts)
  if (row.verdict === 'ok') return { status: 'ok', result: facts, replayed: true }
  return { status: 'rejected', rejection: facts, replayed: true }
}
