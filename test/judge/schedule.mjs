// One seeded schedule: who asks what and when, whose group lands first, what crashes, which reply is lost.

import { WriterProcess } from './process.mjs'
import { oneOf, pick, seeded } from './random.mjs'
import { digest } from './record.mjs'
import { HONEST } from './rules.mjs'
import { Store } from './store.mjs'
import { unitOf } from './unit.mjs'
import { Client } from './workload.mjs'
import { AGENTS, worldOf } from './world.mjs'

const PROCESSES = 2
const CLIENTS = [...AGENTS, 'u', 'v']
const CONSUMERS = 2
const CRASH_SHARE = 0.01
const POLL_SHARE = 0.05
/** A client that does not know what became of its command asks again, under the same id. */
const RETRY_SHARE = 0.7
/** A schedule that does not come to an end by then does not come to one. */
const STEPS_MAX = 10_000

/**
 * @param {number} seed
 * @param {{ readonly rules?: Partial<typeof HONEST>, readonly operations?: number }} [options]
 * `operations`: how many each client asks for
 * @returns {{ history: import('./record.mjs').Operation[], log: import('./record.mjs').Log }}
 */
export function runSchedule(seed, { rules = {}, operations = 5 } = {}) {
  const schedule = new Schedule(seed, { ...HONEST, ...rules }, operations)
  return schedule.run()
}

class Schedule {
  #time = 0
  #history = []
  #waiting = new Map()

  constructor(seed, rules, operations) {
    this.random = seeded(seed)
    this.rules = rules
    this.base = worldOf(this.random)
    this.store = new Store(this.base, rules, this.random)
    this.processes = Array.from({ length: PROCESSES }, () => this.#process())
    this.clients = CLIENTS.map((name) => ({
      client: new Client(name, this.random),
      left: operations,
    }))
    this.consumers = Array.from({ length: CONSUMERS }, () => ({
      position: 0,
      transaction: 0,
      given: [],
    }))
  }

  run() {
    for (let steps = 0; ; steps++) {
      if (steps > STEPS_MAX) throw new Error('a schedule does not end')
      this.#time += 1
      const actions = this.#actions()
      if (actions.length === 0) break
      const chance = this.random()
      if (chance < CRASH_SHARE) this.#crash(pick(this.random, PROCESSES))
      else if (chance < CRASH_SHARE + POLL_SHARE) this.#poll(oneOf(this.random, this.consumers))
      else oneOf(this.random, actions)()
    }
    for (const consumer of this.consumers) this.#poll(consumer)
    return { history: this.#history, log: this.#dump() }
  }

  #process() {
    return new WriterProcess(this.store, this.rules, this.random)
  }

  #actions() {
    const actions = []
    for (const one of this.clients) {
      const waiting = this.#waiting.get(one.client)
      if (!waiting && one.left > 0) actions.push(() => this.#ask(one))
      else if (waiting?.perform) actions.push(() => waiting.perform())
    }
    for (const process of this.processes) {
      for (const name of process.steps()) actions.push(() => process.step(name))
    }
    return actions
  }

  #ask(one) {
    one.left -= 1
    const { client } = one
    const asked = client.next((block, version) => this.store.stateAt(block, version).value)
    const operation = {
      ...asked,
      t_invoke: this.#time,
      t_return: 0,
      outcome: { status: 'unknown' },
    }
    this.#history.push(operation)
    if (operation.kind === 'read' || operation.kind === 'claim') {
      const perform =
        operation.kind === 'read'
          ? () => this.#read(client, operation)
          : () => this.#claim(client, operation)
      const atInvoke = new Map(this.store.streams)
      this.#waiting.set(client, { operation, perform, atInvoke })
      return
    }
    this.#submit(client, operation)
  }

  #submit(client, operation) {
    const at = pick(this.random, PROCESSES)
    const { kind, edits, tool } = operation
    const fingerprint = Buffer.from(JSON.stringify([kind, edits, tool?.index]))
    const waiting = { operation, at }
    this.#waiting.set(client, waiting)
    const remake = (edits) => unitOf({ ...operation, edits }, fingerprint)
    const call = {
      operation,
      unit: unitOf(operation, fingerprint),
      remake,
      judged: {},
      answer: (verdict, judged) => {
        if (this.#waiting.get(client) !== waiting) return
        this.#answer(client, operation, outcomeOf(operation, verdict, judged))
      },
    }
    this.processes[at].submit(call)
  }

  #answer(client, operation, outcome) {
    operation.outcome = outcome
    operation.t_return = this.#time
    this.#waiting.delete(client)
    const { t_invoke, t_return, outcome: _, ...asked } = operation
    if (outcome.status === 'ok') {
      for (const [id, version] of Object.entries(outcome.version)) client.seen.set(id, version)
    }
    if (outcome.status === 'ok' || (outcome.status === 'rejected' && isStored(outcome))) {
      client.answered.push(asked)
    }
  }

  #read(client, operation) {
    const { blocks, atVersion } = operation
    const { atInvoke } = this.#waiting.get(client)
    const heads = this.rules.read(this.store, blocks, { random: this.random, atInvoke })
    const sights = {}
    for (const id of blocks) {
      const head = heads[id]
      const past = atVersion !== undefined
      const version = past ? atVersion : head.version
      const value = past ? this.store.stateAt(id, atVersion).value : head.value
      sights[id] = { version, digest: digest(value) }
      if (!past) client.seen.set(id, version)
    }
    operation.outcome = { status: 'read', blocks: sights }
    operation.t_return = this.#time
    this.#waiting.delete(client)
  }

  #claim(client, operation) {
    const epoch = this.store.claim(operation.agentId)
    if (epoch === null) return
    operation.outcome = { status: 'claimed', epoch }
    operation.t_return = this.#time
    this.#waiting.delete(client)
    // Half of the claims are another worker's: this one does not know that it has lost its agent.
    if (this.random() < 0.5) client.epoch = epoch
  }

  /** Whoever waits for this process will not hear from it. */
  #crash(at) {
    this.processes[at].crash()
    this.processes[at] = this.#process()
    for (const [client, { operation, at: where }] of [...this.#waiting]) {
      if (where !== at) continue
      this.#waiting.delete(client)
      if (this.random() < RETRY_SHARE) this.#submit(client, operation)
      else operation.t_return = Number.POSITIVE_INFINITY
    }
  }

  #poll(consumer) {
    for (const row of this.rules.page(this.store, consumer)) {
      consumer.given.push({ stream: row.event.streamId, version: row.event.version })
      consumer.position = row.position
      consumer.transaction = row.transaction
    }
  }

  #dump() {
    const heads = {}
    for (const [id, { head }] of this.store.streams) heads[id] = head
    const events = this.store.feed.map(({ event, position }) => ({
      ...event,
      stream: event.streamId,
      position,
      command: event.commandId,
    }))
    return { base: this.base, events, heads, feeds: this.consumers.map(({ given }) => given) }
  }
}

/** Refusals that are never stored are not confirmed by a commit: of what does not exist, or is not to be made twice. */
const UNCONFIRMED = [
  'block_not_found',
  'agent_not_found',
  'already_exists',
  'idempotency_key_reused',
]

function isStored({ code }) {
  return !UNCONFIRMED.includes(code)
}

function outcomeOf(operation, verdict, judged) {
  if (verdict.status === 'fenced') return { status: 'fenced' }
  if (verdict.status === 'rejected') {
    const { code } = verdict.rejection
    if (isStored({ code })) return { status: 'rejected', code, at: judged }
    const absent = Object.fromEntries(Object.entries(judged).filter(([, version]) => version === 0))
    const missing = code.endsWith('not_found') && Object.keys(absent).length > 0
    return { status: 'rejected', code, at: missing ? absent : null }
  }
  const { result } = verdict
  if (operation.kind === 'tool') {
    return {
      status: 'ok',
      version: { [operation.tool.runId]: result.version },
      changed: wrote(operation, judged, result),
    }
  }
  const results = operation.kind === 'batch' ? result : [result]
  const version = Object.fromEntries(results.map((one) => [one.block_id, one.version]))
  const changed = results.some((one) => one.changed)
  if (operation.kind === 'batch') return { status: 'ok', version, changed }
  return { status: 'ok', version, changed, receipt: result.receipt }
}

function wrote({ tool }, judged, { version }) {
  return version > judged[tool.runId]
}
