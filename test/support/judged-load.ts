import type { Edit, Operation, Outcome } from '../judge/record.mjs'
import { digest } from '../judge/record.mjs'
import type { ApiProcess, Reply } from './api-process.js'
import { JUDGED_KEYS } from './judged-log.js'
import { type Request, requestOf, type Sent } from './judged-requests.js'
import { pick, type Seeded } from './seeded.js'

/** Share of the writes that are not tried again when their outcome is unknown. */
const GIVEN_UP_SHARE = 0.2
const ATTEMPTS_MAX = 8

export interface JudgedLoadOptions {
  readonly random: Seeded
  readonly apis: readonly ApiProcess[]
  readonly blocks: readonly string[]
  readonly agents: readonly string[]
  readonly clients: number
  readonly operations: number
}

/** Clients of several api processes that write down what they asked and what they were told. */
export class JudgedLoad {
  readonly history: Operation[] = []
  readonly #seen = new Map<string, number>()
  #count = 0

  constructor(private readonly options: JudgedLoadOptions) {}

  /** Resolves once every client has had its last answer. */
  async run(): Promise<void> {
    const { clients } = this.options
    await Promise.all(Array.from({ length: clients }, (_, i) => this.#client(`client-${i}`)))
  }

  async #client(process: string): Promise<void> {
    while (this.#count < this.options.operations) await this.#perform(process, this.#count++)
  }

  async #perform(process: string, count: number): Promise<void> {
    const { random, agents } = this.options
    const agent = agents[pick(random, agents.length)] as string
    const blocks = this.#blocks()
    const request = requestOf({ random, blocks, agent, count, seen: this.#seen })
    const id = `${JUDGED_KEYS}${random.seed}/${count}`
    const operation: Operation = {
      op_id: id,
      command: id,
      process,
      actor: { kind: 'user', id: 'local' },
      ...request.asked,
      t_invoke: now(),
      t_return: Number.POSITIVE_INFINITY,
      outcome: { status: 'unknown' },
    }
    this.history.push(operation)
    const outcome = await this.#send(request, id)
    operation.outcome = outcome
    if (outcome.status !== 'unknown') operation.t_return = now()
    this.#learn(outcome)
  }

  /** Two different ones; every second time the first block is the first of them. */
  #blocks(): readonly [string, string] {
    const { random, blocks } = this.options
    const at = random() < 0.5 ? 0 : pick(random, blocks.length)
    const other = (at + 1 + pick(random, blocks.length - 1)) % blocks.length
    return [blocks[at] as string, blocks[other] as string]
  }

  /** A read is asked once; a write again and again under its id, of whoever is up. */
  async #send(request: Request, id: string): Promise<Outcome> {
    const { random } = this.options
    const changesNothing = request.asked.kind === 'read' || request.isTrial === true
    const givesUp = changesNothing || random() < GIVEN_UP_SHARE
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const api = this.#api()
      const reply = await send(api, request.sent, changesNothing ? null : id)
      if (reply && reply.status < 500) return outcomeOf(request, reply)
      if (reply && reply.status !== 503) throw new Error(`${id}: ${JSON.stringify(reply)}`)
      if (givesUp) break
    }
    return { status: 'unknown' }
  }

  /** One that is up, as behind a load balancer, if there is one. */
  #api(): ApiProcess {
    const { random, apis } = this.options
    const up = apis.filter((api) => api.isUp)
    const from = up.length > 0 ? up : apis
    return from[pick(random, from.length)] as ApiProcess
  }

  /** What one client knows it may have from another: only versions that were answered. */
  #learn(outcome: Outcome): void {
    const told =
      outcome.status === 'ok'
        ? outcome.version
        : outcome.status === 'read'
          ? Object.fromEntries(Object.entries(outcome.blocks).map(([id, one]) => [id, one.version]))
          : {}
    for (const [block, version] of Object.entries(told)) {
      if (version > (this.#seen.get(block) ?? 0)) this.#seen.set(block, version)
    }
  }
}

function send(
  api: ApiProcess,
  { method, path, body, headers }: Sent,
  id: string | null,
): Promise<Reply> {
  return api.send(method, path, body, id ? { ...headers, 'idempotency-key': id } : headers)
}

function outcomeOf(
  { asked, block, isTrial }: Request,
  { status, body }: NonNullable<Reply>,
): Outcome {
  const told = body as Told
  if (status !== 200)
    return { status: 'rejected', code: told.code, at: judgedAt(asked.edits, told) }
  if (block !== undefined) {
    const { version, value } = told
    return { status: 'read', blocks: { [block]: { version, digest: digest(value) } } }
  }
  if (asked.kind === 'batch') {
    const version = Object.fromEntries(told.results.map((one) => [one.block_id, one.version]))
    return { status: 'ok', version, changed: told.results.some((one) => one.changed) }
  }
  const [edit] = asked.edits
  if (edit && isTrial) {
    const { version, events } = told
    const own = events.filter((event) => event.stream_id === edit.blockId).length
    const would = events.map(({ stream_id, type, payload }) => [stream_id, type, payload] as const)
    return { status: 'previewed', at: { [edit.blockId]: version - own }, events: would }
  }
  // What attaches and detaches is answered with the agent.
  if (edit === undefined || told.version === undefined) return { status: 'ok', version: {} }
  const { version, changed, receipt } = told
  const whole = changed === undefined ? {} : { changed, receipt }
  return { status: 'ok', version: { [edit.blockId]: version }, ...whole }
}

/** Of a batch only the first member is judged on the block as it stood. */
function judgedAt(edits: readonly Edit[], { at_version, member = 0 }: Told) {
  const [edit] = edits
  if (edit === undefined || at_version === undefined || member > 0) return null
  return { [edit.blockId]: at_version }
}

/** The bodies of all answers, as far as they are looked at. */
interface Told {
  readonly code: string
  readonly at_version?: number
  readonly member?: number
  readonly value: string
  readonly version: number
  readonly changed?: boolean
  readonly receipt?: unknown
  readonly events: readonly { stream_id: string; type: string; payload: unknown }[]
  readonly results: readonly { block_id: string; version: number; changed: boolean }[]
}

/** Nanoseconds of the machine's monotonic clock: the same in every process. */
function now(): number {
  return Number(process.hrtime.bigint())
}
