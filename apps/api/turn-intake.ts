import { randomBytes } from 'node:crypto'
import type { CommandBus } from '@nestjs/cqrs'
import type { FastifyRequest } from 'fastify'
import { ChangeTurn } from '#commands/change-turn.js'
import { idFromBytes } from '#domain/ids.js'
import type { Database } from '#postgres/database.js'
import { joinableRun } from '#read-models/joinable-run.js'
import { waitingRun } from '#read-models/pending-approvals.js'
import { unfinishedTurns } from '#read-models/runs.js'
import type { Doorbell } from '#turns/ports.js'
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
  const busyWith = async () => (await unfinishedTurns(db, by.tenantId, agentId))[0]
  const interrupts = policy === 'interrupt' ? await busyWith() : undefined
  const behind = policy === 'interrupt' ? null : await waitingRun(db, by.tenantId, agentId)
  const change = {
    type: 'QueueTurn' as const,
    payload,
    ...(interrupts ? { interrupts } : {}),
    ...(behind ? { behind } : {}),
  }
  const verdict = await commands.execute(new ChangeTurn(runId, agentId, change, by))
  if (verdict.status === 'fenced') throw new Error('an intake names no epoch')
  if (verdict.status === 'rejected') {
    const { code, facts } = verdict.rejection
    if (code !== 'agent_busy') throw Problem.of(verdict.rejection)
    throw Problem.of({ ...verdict.rejection, facts: { ...facts, run_id: await busyWith() } })
  }
  // After the commit, and not awaited: the mailbox itself is the outbox.
  void doorbell.ring(by.tenantId, agentId)
  return { runId: verdict.result.run_id, joined: verdict.replayed, after: 0 }
}
