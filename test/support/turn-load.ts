import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import { makeAgent, makeBlock, type Rest } from './rest.js'
import type { Seeded } from './seeded.js'
import type { SlowModel } from './slow-model.js'
import { type AcceptedTurn, AUDIT_COLUMNS, type AuditedEvent, auditAgent } from './turn-audit.js'

export interface TurnLoadOptions {
  readonly rest: Rest
  readonly sql: pg.Pool
  readonly model: SlowModel
  readonly random: Seeded
  /** Agents that have something to do at any time, and turns each is given, all at once. */
  readonly agents: number
  readonly turnsEach: number
  /** How many of the turns look something up first. */
  readonly searchShare: number
}

interface BusyAgent {
  readonly id: string
  readonly blockId: string
  readonly turns: AcceptedTurn[]
}

const POLL_MS = 250
/** Agents that are made at once. */
const MAKERS = 8

/** Agents with queued turns: an agent whose turns are over is audited, and another takes its place. */
export class TurnLoad {
  readonly faults: string[] = []
  readonly told = {
    turns: 0,
    deadLettered: 0,
    blockEvents: 0,
    repeatedInFlight: 0,
    staleWrites: 0,
  }
  readonly #busy = new Map<string, BusyAgent>()
  #made = 0
  #stopped = false
  #running: Promise<void> = Promise.resolve()

  constructor(private readonly options: TurnLoadOptions) {}

  /** Resolves when every agent has its turns. */
  async start(): Promise<void> {
    await this.#fill()
    this.#running = this.#run()
  }

  /** No new agents; resolves when all turns have ended and were looked through. */
  async finish(withinMs: number): Promise<void> {
    this.#stopped = true
    const deadline = performance.now() + withinMs
    await this.#running
    while (this.#busy.size > 0 && performance.now() < deadline) {
      await this.#audit()
      await pause(POLL_MS)
    }
    for (const { id, turns } of this.#busy.values()) {
      const runIds = turns.map(({ runId }) => runId)
      this.faults.push(`${id}: some turns have not ended: ${await this.#standing(runIds)}`)
    }
  }

  /** Nothing is asked of the product or its database while this goes on. */
  async during(work: () => Promise<void>): Promise<void> {
    this.#stopped = true
    await this.#running
    await work()
    this.#stopped = false
    this.#running = this.#run()
  }

  /** Turns that have begun and not ended. */
  async inFlight(): Promise<number> {
    const { rows } = await this.options.sql.query<{ count: number }>(
      `select count(*)::int as count from turns where status = 'running'`,
    )
    return rows[0]?.count ?? 0
  }

  /** Turns that were accepted and have not ended. */
  async waiting(): Promise<number> {
    const { rows } = await this.options.sql.query<{ count: number }>(
      `select count(*)::int as count from turns where status in ('queued', 'running')`,
    )
    return rows[0]?.count ?? 0
  }

  /** Each turn's status, its last event and how long ago that was. */
  async #standing(runIds: readonly string[]): Promise<string> {
    const { rows } = await this.options.sql.query<{ standing: string }>(
      `select format('%s %s %s since %s', t.run_id, t.status, e.type, now() - e.recorded_at) as standing
         from turns t cross join lateral (
           select type, recorded_at from events
            where tenant_id = t.tenant_id and stream_id = t.run_id order by version desc limit 1) e
        where t.tenant_id = 'default' and t.run_id = any($1) order by t.seq`,
      [runIds],
    )
    return rows.map(({ standing }) => standing).join('; ')
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#audit()
      if (!this.#stopped) await this.#fill()
      await pause(POLL_MS)
    }
  }

  async #fill(): Promise<void> {
    const missing = this.options.agents - this.#busy.size
    let left = missing
    const makers = Array.from({ length: Math.min(MAKERS, missing) }, async () => {
      while (left-- > 0) await this.#make()
    })
    await Promise.all(makers)
  }

  async #make(): Promise<void> {
    const { rest, random, turnsEach, searchShare } = this.options
    const name = `a${++this.#made}`
    const block = await makeBlock(rest, { value: 'notes' })
    const { id } = await makeAgent(rest, [block.id], { name, tools: ['web_search'] })
    const turns: AcceptedTurn[] = []
    this.#busy.set(id, { id, blockId: block.id, turns })
    for (let n = 1; n <= turnsEach; n++) {
      const searches = random() < searchShare
      const token = `${name}.${n}`
      const path = `/v1/agents/${id}/messages/async`
      const input = `turn ${token}${searches ? '+search' : ''}`
      const { status, body, text } = await rest<{ id: string }>('POST', path, { input })
      if (status !== 200) throw new Error(text)
      turns.push({ runId: body.id, token, searches })
      this.told.turns += 1
    }
  }

  async #audit(): Promise<void> {
    const { sql, model, turnsEach } = this.options
    const whole = [...this.#busy.values()].filter(({ turns }) => turns.length === turnsEach)
    const { rows } = await sql.query<{ agent_id: string }>(
      'select agent_id from mailboxes where pending = 0 and agent_id = any($1)',
      [whole.map(({ id }) => id)],
    )
    for (const { agent_id } of rows) {
      const agent = this.#busy.get(agent_id) as BusyAgent
      const streams = [agent.blockId, ...agent.turns.map(({ runId }) => runId)]
      const { rows: events } = await sql.query<AuditedEvent>(
        `select ${AUDIT_COLUMNS} from events
          where tenant_id = 'default' and stream_id = any($1) order by stream_id, version`,
        [streams],
      )
      const { faults, ...told } = auditAgent(agent, events, model)
      this.faults.push(...faults)
      for (const [figure, value] of Object.entries(told))
        this.told[figure as keyof typeof told] += value
      model.forget(agent.turns.map(({ token }) => token))
      this.#busy.delete(agent_id)
    }
  }
}
