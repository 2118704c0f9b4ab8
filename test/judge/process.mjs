// A process that writes, by the rules of libs/event-store: units are decided by its `decideUnit` on cached states and
// on what the units before them leave; a group lands whole or is taken apart; what was lost is decided again under
// the lock; a reply that was lost is looked up.
import { decideUnit } from '#event-store/group.js'
import { isIdle, openPlan, rememberAttempts } from '#event-store/plan.js'
import { answered, storedVerdict } from './answers.mjs'

const TENANT = 'default'
/** Nothing of a schedule depends on the time of day. */
const NOW = '2026-01-05T09:00:00.000Z'
const SNAPSHOT_SHARE = 0.3
const LOST_REPLY_SHARE = 0.04
const noRows = () => []

/**
 * @typedef {object} Call A unit on its way, and whom to tell.
 * @property {any} unit
 * @property {import('./record.mjs').Operation} operation
 * @property {Record<string, number>} judged the versions it was judged at last
 * @property {(verdict: any, judged: Record<string, number>) => void} answer
 */

export class WriterProcess {
  #cache = new Map()
  #open = null
  #air = null
  #side = []
  #locked = null
  #waiting = null

  /**
   * @param {import('./store.mjs').Store} store
   * @param {typeof import('./rules.mjs').HONEST} rules
   * @param {import('./random.mjs').Seeded} random
   */
  constructor(store, rules, random) {
    this.store = store
    this.rules = rules
    this.random = random
  }

  /** @param {Call} call */
  submit(call) {
    const decide = (states, now) => this.#decide(call, pending, states, now)
    const pending = {
      unit: { ...call.unit, decide },
      call,
      commandId: call.operation.command,
      streams: call.unit.streams,
      read: new Map(),
      pasts: new Map(),
      pastsRead: 0,
      attempts: [],
      resolve: (verdict) => call.answer(call.refused ?? verdict, call.judged),
    }
    Object.assign(call, { store: this.store, random: this.random })
    this.#admit(pending)
  }

  /** What could happen next. */
  steps() {
    const steps = []
    if (this.#air) steps.push('land')
    else if (this.#open) steps.push('send')
    if (this.#locked) steps.push('unlock')
    else if (this.#waiting) steps.push('lock')
    else if (this.#side.length > 0) steps.push('begin')
    return steps
  }

  step(name) {
    switch (name) {
      case 'send':
        return this.#send(this.#take())
      case 'land':
        return this.#land()
      case 'begin':
        this.#waiting = this.store.begin()
        return undefined
      case 'lock':
        return this.#lock()
      default:
        return this.#unlock()
    }
  }

  /** As by kill -9: what is in the air is gone, or committed and nobody here knows. */
  crash() {
    for (const flight of [this.#air, this.#locked]) {
      if (!flight) continue
      if (this.random() < 0.5) this.store.commit(flight.transaction)
      else this.#rollback(flight)
    }
    if (this.#waiting) this.store.rollback(this.#waiting)
    this.#cache.clear()
    this.#open = this.#air = this.#locked = this.#waiting = null
    this.#side = []
  }

  stateOf(id) {
    return this.#cache.get(id)
  }

  #decide(call, pending, states, now) {
    call.judged = Object.fromEntries(pending.streams.map((id) => [id, versionIn(states, id)]))
    return this.rules.decide(call, states, now)
  }

  #admit(pending) {
    for (const id of pending.streams) pending.read.set(id, this.#known(id))
    const air = this.#air?.plan.states
    this.#open ??= this.#plan((id) => air?.get(id) ?? this.#cache.get(id))
    this.#decideInto(this.#open, pending)
  }

  #known(id) {
    const cached = this.#cache.get(id)
    if (cached) return cached
    const stream = this.store.load(id, this.random() < SNAPSHOT_SHARE)
    if (stream.version > 0) this.#cache.set(id, stream)
    return stream
  }

  #plan(base) {
    return { ...openPlan(TENANT, base), now: NOW }
  }

  #decideInto(plan, pending) {
    for (;;) {
      const wanted = decideUnit(plan, pending, noRows)
      if (!wanted) return
      this.#want(pending, wanted)
    }
  }

  #want(pending, wanted) {
    if ('needs' in wanted) {
      pending.streams = [...new Set([...pending.streams, ...wanted.needs])]
      for (const id of pending.streams)
        if (!pending.read.has(id)) pending.read.set(id, this.#known(id))
      return
    }
    if (++pending.pastsRead > 16) throw new Error('a past was read in vain')
    for (const [id, version] of wanted.since) pending.pasts.set(id, this.store.past(id, version))
  }

  #take() {
    const plan = this.#open
    this.#open = null
    return plan
  }

  /** A group goes out; what is in its way is taken out of it and the others go again at once. */
  #send(plan) {
    if (isIdle(plan)) return this.#answer(plan)
    const transaction = this.store.begin()
    noteJudged(plan)
    const { ok, lost, fenced, taken } = this.store.write(transaction, plan)
    if (ok) {
      this.#air = { plan, transaction }
      if (this.rules.answersEarly) this.#answer(plan)
      return undefined
    }
    this.store.rollback(transaction)
    const barred = new Set(fenced.map(({ unit }) => unit))
    const known = new Set(taken.map(({ commandId }) => commandId))
    const again = []
    for (const pending of plan.verdicts.keys()) {
      if (pending.streams.some((id) => lost.includes(id)) || known.has(pending.commandId)) {
        this.#side.push(pending)
      } else if (barred.has(pending)) pending.resolve({ status: 'fenced' })
      else again.push(pending)
    }
    if (again.length === 0) return undefined
    const next = this.#plan((id) => this.#cache.get(id))
    for (const pending of again) this.#decideInto(next, pending)
    return this.#send(next)
  }

  #land() {
    const flight = this.#air
    this.#air = null
    if (this.random() < LOST_REPLY_SHARE) {
      this.#loseReply(flight)
      const ahead = this.#take()
      for (const pending of ahead?.verdicts.keys() ?? []) this.#admit(pending)
      return
    }
    this.store.commit(flight.transaction)
    this.#keep(flight.plan)
    if (!this.rules.answersEarly) this.#answer(flight.plan)
  }

  /** The connection breaks before the answer: whether it was committed is not known here. */
  #loseReply({ plan, transaction }) {
    if (this.random() < 0.5) this.store.commit(transaction)
    else this.#rollback({ transaction })
    rememberAttempts(plan)
    this.#side.push(...plan.verdicts.keys())
  }

  #rollback({ transaction }) {
    this.store.rollback(transaction)
    if (this.rules.leavesGaps) this.store.skip(transaction)
  }

  #lock() {
    const transaction = this.#waiting
    const units = this.#side
    const ids = [...new Set(units.flatMap(({ streams }) => streams))]
    if (!this.store.lock(transaction, ids)) return
    this.#side = []
    this.#waiting = null
    const early = new Map()
    let open = []
    for (const pending of units) {
      const known = answered(this, pending)
      if (known) early.set(pending, known)
      else if (open.some(({ commandId }) => commandId === pending.commandId))
        this.#side.push(pending)
      else open.push(pending)
    }
    while (open.length > 0) {
      const plan = this.#plan((id) => this.store.load(id))
      for (const pending of open) this.#decideInto(plan, pending)
      noteJudged(plan)
      const { ok, lost, fenced, taken } = this.store.write(transaction, plan)
      if (ok) {
        this.#locked = { plan, transaction, early }
        return
      }
      const barred = new Set(fenced.map(({ unit }) => unit))
      const known = new Set(taken.map(({ commandId }) => commandId))
      for (const pending of barred) early.set(pending, { status: 'fenced' })
      const waits = ({ streams, commandId }) =>
        known.has(commandId) || streams.some((id) => lost.includes(id))
      this.#side.push(...open.filter((pending) => !barred.has(pending) && waits(pending)))
      open = open.filter((pending) => !barred.has(pending) && !waits(pending))
    }
    this.#locked = { plan: null, transaction, early }
  }

  #unlock() {
    const flight = this.#locked
    this.#locked = null
    if (flight.plan && this.random() < LOST_REPLY_SHARE) {
      this.#loseReply(flight)
      this.#side.push(...flight.early.keys())
      return
    }
    this.store.commit(flight.transaction)
    for (const [pending, verdict] of flight.early) pending.resolve(verdict)
    if (!flight.plan) return
    this.#keep(flight.plan)
    this.#answer(flight.plan)
  }

  #keep(plan) {
    for (const { stream } of plan.heads.values()) {
      const known = this.#cache.get(stream.streamId)
      if (!known || known.version <= stream.version) this.#cache.set(stream.streamId, stream)
    }
  }

  #answer(plan) {
    for (const [pending, verdict] of plan.verdicts) {
      const stores = plan.results.some((row) => row.commandId === pending.commandId)
      const known = verdict.status === 'rejected' && !stores ? storedVerdict(this, pending) : null
      pending.resolve(known ?? verdict)
    }
  }
}

/** Kept beside the result, so that a retry can be judged as the first answer was. */
function noteJudged(plan) {
  const units = [...plan.verdicts.keys()]
  for (const row of plan.results) {
    row.judged = units.find(({ commandId }) => commandId === row.commandId)?.call.judged
  }
}

function versionIn(states, id) {
  if (id.startsWith('block-')) return states.block(id).version
  return id.startsWith('agent-') ? states.agent(id).version : states.turn(id).version
}
