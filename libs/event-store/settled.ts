import { setTimeout as wait } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { Fence } from './fence.js'

const POLL_MS = 5

/** Some old transaction of the cluster has kept the log from being certain. */
export class NotSettled extends Error {
  constructor(timeoutMs: number, blockingPid: number | null) {
    const who = blockingPid === null ? 'a transaction' : `the transaction of backend ${blockingPid}`
    super(`${who} has been open for more than ${timeoutMs / 1000} s and may still be writing`)
    this.name = 'NotSettled'
  }
}

/**
 * A position up to which nothing can be added any more, and which everything committed before this call
 * is not beyond.
 *
 * @throws NotSettled when that takes longer than `timeoutMs`.
 */
export async function settledPosition(session: PoolClient, timeoutMs = 30_000): Promise<number> {
  const fence = new Fence(session)
  const { drawn } = await fence.advance()
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const { certified, blockingPid } = fence.status()
    if (certified >= drawn) return drawn
    if (performance.now() > deadline) throw new NotSettled(timeoutMs, blockingPid)
    await wait(POLL_MS)
    await fence.advance()
  }
}
