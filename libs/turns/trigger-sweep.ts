import { createHash } from 'node:crypto'
import type { Door } from '#commands/metadata.js'
import type { Actor } from '#domain/actor.js'
import { WAKING_TYPES } from '#domain/trigger-wake.js'
import type { QueuedPayload } from '#domain/turn-steps.js'
import { derivedId } from '#read-models/derived-id.js'
import type { Reads } from '#read-models/reads.js'
import type { Doorbell } from './ports.js'
import { Sweep } from './sweep.js'
import { messageTurn, queueTurn } from './turn-intake.js'

const SWEEP_MS = 500
const SWEPT_MAX = 100
/** One whose agent takes nothing more is tried again so much later. */
const LATER_MS = 10_000

export interface TriggerSweepOptions {
  readonly execute: Door
  readonly doorbell: Doorbell
  readonly reads: Reads
  /** How many workers sweep, this one among them. */
  readonly workers: () => number
  readonly onError: (error: unknown) => void
}

interface DueRow {
  readonly tenant_id: string
  readonly trigger_id: string
  readonly from_version: number
  readonly to_version: number
  readonly depth: number
  readonly agent_id: string
  readonly block_id: string
  readonly input: string | null
  readonly label: string
}

/**
 * Queues the turns of triggers that are due. Every worker sweeps: the run's id follows from the trigger
 * and the version it wakes for, so whoever comes second finds it there. While a turn of a trigger has
 * not ended, what changes meanwhile waits for one turn together.
 */
export class TriggerSweep {
  readonly #rounds: Sweep

  constructor(private readonly options: TriggerSweepOptions) {
    const { workers, onError } = options
    const round = (): Promise<void> => this.#sweep()
    this.#rounds = new Sweep({ everyMs: SWEEP_MS, workers, round, onError })
  }

  start(): void {
    this.#rounds.start()
  }

  stop(): Promise<void> {
    return this.#rounds.stop()
  }

  async #sweep(): Promise<void> {
    const { rows } = await this.options.reads.pool.query<DueRow>({
      name: 'due-triggers',
      text: `select w.tenant_id, w.trigger_id, w.from_version, w.to_version, w.depth, t.agent_id, t.block_id, t.input, a.label
               from trigger_wakes w
               join triggers t on t.tenant_id = w.tenant_id and t.trigger_id = w.trigger_id
               join attachments a on a.tenant_id = t.tenant_id and a.agent_id = t.agent_id and a.block_id = t.block_id
              where w.due_at <= clock_timestamp()
                and not exists (select from turns r where r.tenant_id = w.tenant_id and r.run_id = w.run_id
                                   and r.status in ('queued', 'running', 'parked'))
              order by w.due_at limit ${SWEPT_MAX}`,
    })
    for (const row of rows) await this.#wake(row)
  }

  async #wake(row: DueRow): Promise<void> {
    const { tenant_id: tenantId, trigger_id, to_version } = row
    const { execute, doorbell, reads } = this.options
    const id = `trigger/${trigger_id}/${to_version}`
    const queued = await queueTurn(
      { execute, doorbell, db: reads.db },
      {
        runId: derivedId('run', tenantId, trigger_id, to_version),
        payload: payloadOf(row, await this.#writers(row)),
        by: {
          tenantId,
          actor: { kind: 'system', id: trigger_id },
          command: { id, fingerprint: createHash('sha256').update(id).digest() },
        },
      },
    )
    if (!queued.ok) await this.#later(row)
  }

  /** Who has changed the text between the two versions, the agent itself aside. */
  async #writers({ tenant_id, block_id, agent_id, from_version, to_version }: DueRow) {
    const { rows } = await this.options.reads.pool.query<{ actor: Actor }>({
      name: 'trigger-writers',
      text: `select actor from events where tenant_id = $1 and stream_id = $2 and version > $3 and version <= $4
                and type = any($5) order by version`,
      values: [tenant_id, block_id, from_version, to_version, WAKING_TYPES],
    })
    const others = rows.filter(({ actor }) => actor.id !== agent_id)
    return [...new Set(others.map(({ actor }) => named(actor)))]
  }

  async #later({ tenant_id, trigger_id, to_version }: DueRow): Promise<void> {
    await this.options.reads.pool.query({
      name: 'trigger-later',
      text: `update trigger_wakes set due_at = clock_timestamp() + $4 * interval '1 ms'
              where tenant_id = $1 and trigger_id = $2 and to_version = $3 and due_at is not null`,
      values: [tenant_id, trigger_id, to_version, LATER_MS],
    })
  }
}

function payloadOf(row: DueRow, writers: readonly string[]): QueuedPayload {
  const { trigger_id, block_id, from_version, to_version, depth, label, input } = row
  const said = `Block "${label}" (${block_id}) has changed from version ${from_version} to version ${to_version}, by ${listed(writers)}.`
  const content = input === null ? said : `${input}\n\n${said}`
  const trigger = { trigger_id, block_id, from_version, to_version, depth }
  return { ...messageTurn(row.agent_id, content, 'trigger'), trigger }
}

const NAMED_MAX = 5

function listed(writers: readonly string[]): string {
  const more = writers.length - NAMED_MAX
  return [...writers.slice(0, NAMED_MAX), ...(more > 0 ? [`${more} more`] : [])].join(', ')
}

function named({ kind, id, name }: Actor): string {
  return name === undefined ? `${kind} ${id}` : `${kind} ${name} (${id})`
}
