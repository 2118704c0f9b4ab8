import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { DEFAULT_OPTIONS } from '#domain/turn.js'
import type { RunRow } from '#read-models/runs.js'
import type { StepRow } from '#read-models/steps.js'
import { golden } from '../../../test/support/contract.js'
import {
  type CannedServer,
  type LettaClients,
  lettaClients,
  startCannedServer,
} from '../../../test/support/letta-clients.js'
import { renderLettaResponse } from './letta-response-wire.js'
import { renderModel } from './model-wire.js'
import { renderRun, renderRunUsage } from './run-wire.js'
import { renderStep } from './step-wire.js'

interface RunSample {
  readonly id: string
  readonly agent_id: string
  readonly status: string
  readonly background: boolean
  readonly stop_reason: RunRow['stop_reason']
  readonly created_at: string
  readonly completed_at: string | null
}

interface StepSample {
  readonly id: string
  readonly run_id: string
  readonly agent_id: string
  readonly model_handle: string
  readonly status: StepRow['status']
  readonly completion_tokens: number
  readonly prompt_tokens: number
  readonly total_tokens: number
  readonly cached_input_tokens: number
  readonly reasoning_tokens: number
}

const USAGE = {
  completion_tokens: 182,
  prompt_tokens: 2410,
  total_tokens: 2592,
  cached_input_tokens: 1024,
  reasoning_tokens: 64,
}

/** The row a sample would be rendered from. */
function runRow(sample: RunSample, fields: Partial<RunRow> = {}): RunRow {
  return {
    tenant_id: 'default',
    run_id: sample.id,
    agent_id: sample.agent_id,
    seq: '1',
    status: sample.status === 'created' ? 'queued' : sample.status,
    source: 'rest',
    request_hash: null,
    options: { ...DEFAULT_OPTIONS, background: sample.background },
    attempts_without_progress: 0,
    step_count: 2,
    stop_reason: sample.stop_reason,
    failure: null,
    usage: USAGE,
    simulated: false,
    deadline: null,
    queued_at: new Date(sample.created_at),
    started_at: null,
    done_at: sample.completed_at ? new Date(sample.completed_at) : null,
    ...fields,
  }
}

function stepRow(sample: StepSample): StepRow {
  return {
    tenant_id: 'default',
    run_id: sample.run_id,
    step: 1,
    tool_call_id: '',
    step_id: sample.id,
    agent_id: sample.agent_id,
    kind: 'model',
    name: sample.model_handle,
    status: sample.status,
    usage: {
      completion_tokens: sample.completion_tokens,
      prompt_tokens: sample.prompt_tokens,
      total_tokens: sample.total_tokens,
      cached_input_tokens: sample.cached_input_tokens,
      reasoning_tokens: sample.reasoning_tokens,
    },
    stop_reason: 'stop',
    error: null,
    created_at: new Date(0),
    done_at: new Date(0),
  }
}

const FAILURE = {
  class: 'Provider.Timeout',
  detail: 'The model provider did not answer.',
  facts: {},
}

describe('a run', () => {
  it('is rendered as the samples are', () => {
    const done = golden<RunSample>('run')
    const times = { ttft_ns: null, total_duration_ns: 6_000_000_000 }
    expect(renderRun(runRow(done))).toMatchObject({ ...done, ...times })
    const created = golden<RunSample>('run-created')
    expect(renderRun(runRow(created))).toMatchObject({ ...created, callback_url: null })
    const failed = golden<RunSample>('run-failed')
    const callback = { callback_url: null, callback_sent_at: null, callback_status_code: null }
    expect(renderRun(runRow(failed, { failure: FAILURE }))).toMatchObject({
      ...failed,
      ...callback,
    })
  })

  it('given up after too many attempts has failed; one of a stand-in says so', () => {
    const sample = golden<RunSample>('run')
    const failure = { class: 'Poison', detail: 'started 3 times', facts: {} }
    const row = runRow(sample, { status: 'dead_lettered', failure, simulated: true })
    expect(renderRun(row)).toMatchObject({
      status: 'failed',
      metadata: { simulated: true, error: { type: 'Poison', message: 'started 3 times' } },
    })
  })

  it('has used what the sample says', () => {
    expect(renderRunUsage(runRow(golden<RunSample>('run')))).toEqual(golden('usage'))
  })
})

describe('the answer to a message call', () => {
  it('has the statistics of the sample', () => {
    const { messages: _, ...sample } = golden('letta-response')
    const result = { run: runRow(golden<RunSample>('run')), messages: [], contextTokens: 1290 }
    expect(renderLettaResponse(result)).toEqual({ messages: [], ...sample })
  })

  it('has a stop reason and statistics after a failure too', () => {
    const sample = golden('letta-response-error')
    const run = runRow(golden<RunSample>('run'), {
      status: 'failed',
      stop_reason: 'llm_api_error',
      failure: FAILURE,
      step_count: 0,
      usage: { ...USAGE, completion_tokens: 0, prompt_tokens: 0, total_tokens: 0 },
    })
    expect(renderLettaResponse({ run, messages: [], contextTokens: null })).toEqual({
      ...sample,
      error: { type: 'model_unavailable', message: FAILURE.detail, class: FAILURE.class },
    })
  })
})

describe('a step', () => {
  it('is rendered as the samples are, but for the window nobody recorded', () => {
    for (const sample of [golden<StepSample>('step'), ...golden<StepSample[]>('step-list')]) {
      expect(renderStep(stepRow(sample))).toEqual({ ...sample, context_window_limit: null })
    }
  })

  it('that failed says why, and one that goes on with tools has not stopped', () => {
    const row = stepRow(golden<StepSample>('step'))
    expect(renderStep({ ...row, stop_reason: 'tool_calls' }).stop_reason).toBeNull()
    expect(
      renderStep({ ...row, status: 'failed', usage: null, stop_reason: 'error', error: FAILURE }),
    ).toMatchObject({
      status: 'failed',
      stop_reason: 'error',
      error_type: 'Provider.Timeout',
      error_data: FAILURE,
      total_tokens: null,
    })
  })
})

describe("Letta's clients", () => {
  let server: CannedServer
  let clients: LettaClients

  beforeAll(async () => {
    server = await startCannedServer()
    clients = lettaClients(server.url)
  })
  afterAll(async () => {
    clients.restore()
    await server.close()
  })

  it('parse runs, usage, steps, answers and models without a warning', async () => {
    const { current, legacy } = clients
    const failed = renderRun(
      runRow(golden<RunSample>('run-failed'), { failure: FAILURE, simulated: true }),
    )
    server.answer = [renderRun(runRow(golden<RunSample>('run-created'))), failed]
    expect(await legacy.runs.list()).toMatchObject([
      { status: 'created', createdAt: expect.any(Date) },
      { status: 'failed', completedAt: expect.any(Date) },
    ])
    expect((await current.runs.list()).getPaginatedItems()).toEqual(server.answer)

    server.answer = renderRunUsage(runRow(golden<RunSample>('run')))
    expect(await legacy.runs.usage.retrieve('run')).toMatchObject({ totalTokens: 2592 })

    server.answer = [renderStep(stepRow(golden<StepSample>('step')))]
    expect(await legacy.steps.list()).toMatchObject([{ promptTokens: 1205, status: 'success' }])

    const run = runRow(golden<RunSample>('run'), { failure: FAILURE })
    server.answer = renderLettaResponse({ run, messages: [], contextTokens: null })
    const messages = [{ role: 'user' as const, content: 'hi' }]
    expect(await legacy.agents.messages.create('agent', { messages })).toMatchObject({
      stopReason: { stopReason: 'end_turn' },
      usage: { stepCount: 2 },
    })
    expect(await current.agents.messages.create('agent', { messages })).toEqual(server.answer)

    const model = {
      handle: 'openai/a',
      provider: 'openai',
      name: 'a',
      contextWindow: 9,
      simulated: true,
    }
    server.answer = [renderModel(model)]
    expect(await legacy.models.list()).toMatchObject([
      { model: 'a', modelEndpointType: 'openai', contextWindow: 9, simulated: true },
    ])
    expect(clients.warnings()).toEqual([])
  })
})
