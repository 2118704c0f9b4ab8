import type { FastifyRequest } from 'fastify'
import { ChangeTurn } from '#commands/change-turn.js'
import { notWaiting } from '#domain/call-answers.js'
import type { Database } from '#postgres/database.js'
import { askingMessageId } from '#read-models/message-rows.js'
import { type RunStep, runOfMessage, runOfToolCall } from '#read-models/pending-approvals.js'
import { fingerprint } from './http/command-identity.js'
import { Problem } from './http/problem.js'
import { principalOf } from './http/request-context.js'
import { hashOf, identity, retryOf } from './message-identity.js'
import { TENANT } from './tenant.js'
import type { Intake, IntakeServices } from './turn-intake.js'
import type { CallAnswers } from './wire/call-answer-wire.js'

/**
 * Answers calls of a run that waits for it; with the last answer the run goes on. A call is answered
 * once: the same again is refused, unless the client says that it repeats a request.
 *
 * @throws Problem unknown_tool_call, invalid_argument
 */
export async function takeAnswers(
  { commands, db, doorbell }: IntakeServices,
  request: FastifyRequest,
  agentId: string,
  answers: CallAnswers,
): Promise<Intake> {
  const { requestId, to } = answers
  const named = 'kind' in to ? null : (to[0]?.toolCallId ?? null)
  const run = await runOf(db, agentId, answers)
  if (!run) throw Problem.of(notWaiting(null, named))
  const { runId } = run
  const keyed = identity(request, [answers.otid])
  const id = `${principalOf(request)}:answer:${runId}:${hashOf(request)}`
  const by = keyed.command
    ? keyed
    : { ...keyed, command: { id, fingerprint: fingerprint(request) } }
  // A request that asked at another step than the run is at now is no longer answered.
  const asksNow = requestId === askingMessageId(TENANT, runId, run.step)
  const step = requestId === null ? null : asksNow ? run.step : 0
  const change = { type: 'AnswerCalls', answers: { step, to } } as const
  const verdict = await commands.execute(new ChangeTurn(runId, agentId, change, by))
  if (verdict.status === 'fenced') throw new Error('an answer names no epoch')
  if (verdict.status === 'rejected') throw Problem.of(verdict.rejection)
  const isRetry = keyed.command || retryOf(request) === 'numbered'
  if (verdict.replayed && !isRetry) throw Problem.of(notWaiting(runId, named))
  void doorbell.ring(TENANT, agentId)
  return { runId, joined: verdict.replayed, after: verdict.result.version }
}

function runOf(
  db: Database,
  agentId: string,
  { requestId, to }: CallAnswers,
): Promise<RunStep | null> {
  if (requestId !== null) return runOfMessage(db, TENANT, agentId, requestId)
  const named = 'kind' in to ? undefined : to[0]?.toolCallId
  return named === undefined ? Promise.resolve(null) : runOfToolCall(db, TENANT, agentId, named)
}
