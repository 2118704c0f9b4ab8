import { randomBytes } from 'node:crypto'
import type { CommandBus } from '@nestjs/cqrs'
import type { FastifyRequest } from 'fastify'
import type { Door } from '#commands/metadata.js'
import { idFromBytes } from '#domain/ids.js'
import type { Database } from '#postgres/database.js'
import { joinableRun } from '#read-models/joinable-run.js'
import type { Doorbell } from '#turns/ports.js'
import { queueTurn } from '#turns/turn-intake.js'
import { takeAnswers } from './answer-intake.js'
import { Problem } from './http/problem.js'
import { hashOf, identity, retryOf } from './message-identity.js'
import type { TurnRequest } from './wire/message-create-wire.js'

/** A turn that was accepted: committed in its agent's mailbox. */
export interface Intake {
  readonly runId: string
  /** True when the request belongs to a run that was there before. */
  readonly joined: boolean
  /** What the run had said up to this version of it was not for this request. */
  readonly after: number
}

export interface IntakeServices {
  readonly commands: CommandBus
  readonly db: Database
  readonly doorbell: Doorbell
}

/**
 * Queues a turn, or finds the one this request repeats: by `Idempotency-Key`, by the messages'
 * `otid`s, or, since clients repeat a slow call without a word, by the hash of the request.
 *
 * @throws Problem
 */
export async function takeIn(
  services: IntakeServices,
  request: FastifyRequest,
  agentId: string,
  turn: TurnRequest,
): Promise<Intake> {
  if (turn.answers) return takeAnswers(services, request, agentId, turn.answers)
  const otids = turn.input.map((message) => message.otid)
  const by = identity(request, otids)
  const requestHash = hashOf(request)
  const { commands, db, doorbell } = services
  if (!by.command) {
    const retry = retryOf(request)
    const known = retry
      ? await joinableRun(db, by.tenantId, agentId, requestHash, retry, new Date())
      : null
    if (known) return { runId: known, joined: true, after: 0 }
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
  return { runId: queued.value.run_id, joined: queued.replayed, after: 0 }
}
