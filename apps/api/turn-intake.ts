import { createHash, randomBytes } from 'node:crypto'
import type { CommandBus } from '@nestjs/cqrs'
import type { FastifyRequest } from 'fastify'
import type { CommandMetadata, Door } from '#commands/metadata.js'
import { idFromBytes } from '#domain/ids.js'
import type { Database } from '#postgres/database.js'
import { joinableRun } from '#read-models/joinable-run.js'
import type { Doorbell } from '#turns/ports.js'
import { queueTurn } from '#turns/turn-intake.js'
import { isLegacyClient } from './http/client-version.js'
import { commandMetadata, fingerprint } from './http/command-identity.js'
import { Problem } from './http/problem.js'
import { principalOf } from './http/request-context.js'
import type { TurnRequest } from './wire/message-create-wire.js'

/** A turn that was accepted: committed in its agent's mailbox. */
export interface Intake {
  readonly runId: string
  /** True when the request belongs to a run that was there before. */
  readonly joined: boolean
}

/**
 * Queues a turn, or finds the one this request repeats: by `Idempotency-Key`, by the messages'
 * `otid`s, or, since clients repeat a slow call without a word, by the hash of the request.
 *
 * @throws Problem
 */
export async function takeIn(
  services: { readonly commands: CommandBus; readonly db: Database; readonly doorbell: Doorbell },
  request: FastifyRequest,
  agentId: string,
  turn: TurnRequest,
): Promise<Intake> {
  const by = identity(request, turn)
  const requestHash = hashOf(request)
  const { commands, db, doorbell } = services
  if (!by.command) {
    const retry = retryOf(request)
    const known = retry
      ? await joinableRun(db, by.tenantId, agentId, requestHash, retry, new Date())
      : null
    if (known) return { runId: known, joined: true }
  }
  const runId = idFromBytes('run', randomBytes(16))
  const { input, options, budget, deadlineMs, policy } = turn
  const payload = {
    agent_id: agentId,
    input,
    source: 'rest' as const,
    idempotency_key: by.command?.id ?? null,
    budget,
    deadline: deadlineMs === null ? null : new Date(Date.now() + deadlineMs).toISOString(),
    policy,
    options,
    request_hash: requestHash,
  }
  const execute: Door = (command) => commands.execute(command)
  const queued = await queueTurn({ execute, doorbell, db }, { runId, payload, by })
  if (!queued.ok) throw Problem.of(queued.rejection)
  return { runId: queued.value.run_id, joined: queued.replayed }
}

/** Without a header the messages' own de-duplication ids act as the key, if every one has its. */
function identity(request: FastifyRequest, turn: TurnRequest): CommandMetadata {
  const by = commandMetadata(request)
  const otids = turn.input.map((message) => message.otid)
  if (by.command || otids.some((otid) => otid === null)) return by
  const id = `${principalOf(request)}:otid:${createHash('sha256').update(JSON.stringify(otids)).digest('hex')}`
  return { ...by, command: { id, fingerprint: fingerprint(request) } }
}

function hashOf(request: FastifyRequest): string {
  return createHash('sha256')
    .update(principalOf(request))
    .update('\n')
    .update(fingerprint(request))
    .digest('hex')
}

/** Newer clients number their retries; older ones repeat after an error without a sign. */
function retryOf(request: FastifyRequest): 'numbered' | 'suspected' | null {
  if (Number(request.headers['x-stainless-retry-count'] ?? 0) >= 1) return 'numbered'
  return isLegacyClient(request) ? 'suspected' : null
}
