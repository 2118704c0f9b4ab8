import type { Operation, Outcome } from '../judge/record.mjs'
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
    const { random, blocks, agents } = this.options
    const block = blocks[hot(random, blocks.length)] as string
    const agent = agents[pick(random, agents.length)] as string
    const request = requestOf({ random, block, agent, count, seen: this.#seen.get(block) ?? null })
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
    if (outcome.status === 'ok' || outcome.status === 'read') this.#learn(block, outcome)
  }

  /** A read is asked once; a write again and again under its id, of whoever is up. */
  async #send(request: Request, id: string): Promise<Outcome> {
    const { random, apis } = this.options
    const isRead = request.asked.kind === 'read'
    const givesUp = isRead || random() < GIVEN_UP_SHARE
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const api = apis[pick(random, apis.length)] as ApiProcess
      const reply = await send(api, request.sent, isRead ? null : id)
      if (reply && reply.status < 500) return outcomeOf(request, reply)
      if (reply && reply.status !== 503) throw new Error(`${id}: ${JSON.stringify(reply)}`)
      if (givesUp) break
    }
    return { status: 'unknown' }
  }

  /** What one client knows it may have from another: only versions that were answered. */
  #learn(block: string, outcome: Extract<Outcome, { status: 'ok' | 'read' }>): void {
    const told = outcome.status === 'ok' ? outcome.version[block] : outcome.blocks[block]?.version
    if (told !== undefined && told > (this.#seen.get(block) ?? 0)) this.#seen.set(block, told)
  }
}

function send(
  api: ApiProcess,
  { method, path, body, headers }: Sent,
  id: string | null,
): Promise<Reply> {
  return api.send(method, path, body, id ? { ...headers, 'idempotency-key': id } : headers)
}

function outcomeOf({ asked, blockId, tellsVersion }: Request, reply: NonNullable<Reply>): Outcome {
  const body = reply.body as Record<string, unknown>
  if (reply.status !== 200) {
    const at = body['at_version'] as number | undefined
    return {
      status: 'rejected',
      code: String(body['code']),
      at: at === undefined ? null : { [blockId]: at },
    }
  }
  if (asked.kind === 'read') {
    const { version, value } = body as { version: number; value: string }
    return { status: 'read', blocks: { [blockId]: { version, digest: digest(value) } } }
  }
  if (!tellsVersion) return { status: 'ok', version: {} }
  const { version, changed, receipt } = body as {
    version: number
    changed?: boolean
    receipt?: unknown
  }
  if (changed === undefined) return { status: 'ok', version: { [blockId]: version } }
  return { status: 'ok', version: { [blockId]: version }, changed, receipt }
}

/** Every second one goes to the first block. */
function hot(random: Seeded, blocks: number): number {
  return random() < 0.5 ? 0 : pick(random, blocks)
}

/** Nanoseconds of the machine's monotonic clock: the same in every process. */
function now(): number {
  return Number(process.hrtime.bigint())
}
