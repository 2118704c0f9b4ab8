import { setMaxListeners } from 'node:events'
import type { Pool } from 'pg'
import type { Providers } from '#adapters/providers.js'
import type { WakeJob } from '#adapters/wake-queue.js'
import type { Door } from '#commands/metadata.js'
import type { KnownStreams } from '#event-store/known-streams.js'
import type { StreamEvent } from '#event-store/unit.js'
import type { Database } from '#postgres/database.js'
import { Hints } from '#postgres/hint.js'
import { readServerKey } from '#postgres/server-key.js'
import { Pasts } from '#read-models/past.js'
import { ToolSchemas } from '#read-models/tool-schemas.js'
import { AgentRunner } from '#turns/agent-runner.js'
import { ModelBreakers } from '#turns/model-breakers.js'
import type { Doorbell } from '#turns/ports.js'
import { RunningTurns } from '#turns/running-turns.js'
import { forgetOldDeltas, StreamedTurns } from '#turns/streamed-turns.js'
import { TurnHints } from '#turns/turn-hints.js'
import { TURN_HINTS } from '#turns/turn-waiters.js'

export interface TurnsOptions {
  readonly workerId: string
  readonly execute: Door
  readonly streams: KnownStreams
  readonly providers: Providers
  readonly doorbell: Doorbell
  readonly reads: Pool
  /** Its statements wait for a lock only briefly. */
  readonly claims: Pool
  readonly db: Database
  /** After each commit of a turn, by name: where tests kill the process. */
  readonly onCommit?: ((point: string) => void) | undefined
}

/** The turns of a worker's agents: whatever wakes them, and whatever ends them. */
export interface Turns {
  readonly runner: AgentRunner
  wake(job: WakeJob): Promise<void>
  /** Somebody wants them to end. */
  interrupt(runIds: readonly string[]): void
  /** This process has committed them. */
  committed(events: readonly StreamEvent[]): void
  /** Steps that are under way are ended, and none is begun; wakes are rung for again. */
  drain(): void
  /** Breaks off what is under way. */
  stop(): void
}

export async function openTurns(options: TurnsOptions): Promise<Turns> {
  const { workerId, execute, streams, providers, doorbell, reads, claims, db, onCommit } = options
  const turnHints = new TurnHints(reads)
  const runHints = new Hints(reads, TURN_HINTS)
  const streamed = new StreamedTurns(reads, (runId) => runHints.send(runId))
  await forgetOldDeltas(reads)
  const draining = new AbortController()
  const stopping = new AbortController()
  // Every turn listens to them.
  setMaxListeners(0, draining.signal, stopping.signal)
  const turns = new RunningTurns({
    execute,
    model: providers.model,
    search: providers.search,
    breakers: new ModelBreakers(reads),
    streamed,
    reads,
    streams,
    tools: new ToolSchemas(reads),
    pasts: new Pasts(reads),
    db,
    key: await readServerKey(db, 'context'),
    workerId,
    draining: draining.signal,
    ...(onCommit ? { onCommit } : {}),
  })
  const runner = new AgentRunner(claims, turns, doorbell, workerId)
  return {
    runner,
    wake: ({ tenant_id, agent_id }) =>
      // A wake that was taken just before the end is somebody else's.
      draining.signal.aborted
        ? doorbell.ring(tenant_id, agent_id)
        : runner.wake(tenant_id, agent_id, stopping.signal),
    interrupt(runIds) {
      for (const runId of runIds) turns.interrupt(runId)
    },
    committed(events) {
      turnHints.of(events)
      streamed.committed(events)
    },
    drain: () => draining.abort(),
    stop: () => stopping.abort(new Error('the worker stops')),
  }
}
