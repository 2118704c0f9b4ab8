import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { context, trace } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import { BullMQOtel } from 'bullmq-otel'
import { turnJob } from '#producer/turn-job.js'
import { until } from './support/feed-load.js'
import { finished, JobQueues } from './support/job-queue.js'
import { openTurnStage, type TurnStage } from './support/turn-stage.js'

/** As `node --import ./instrumentation.mjs` does before the service is loaded. */
const spans = new InMemorySpanExporter()
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })

let stage: TurnStage
let jobs: JobQueues

beforeAll(async () => {
  provider.register()
  stage = await openTurnStage({ workers: 1 })
  jobs = new JobQueues(stage.product.config)
})

afterAll(async () => {
  await jobs.close()
  await stage.close()
  await provider.shutdown()
  trace.disable()
  context.disable()
})

/** Names of the spans of one trace that are over. */
function spansOf(traceId: string): string[] {
  return spans
    .getFinishedSpans()
    .filter((span) => span.spanContext().traceId === traceId)
    .map(({ name }) => name)
}

it('a job’s trace goes on from its producer through the queue to the worker that runs its turn', async () => {
  stage.model.routeBy(() => ({ text: 'done' }))
  const agent = await stage.agent()
  const queue = jobs.queue('palimpsest-turns', new BullMQOtel({ tracerName: 'a service' }))
  const { name, data, opts } = turnJob({ agent_id: agent, input: 'go' })
  const traceId = await trace.getTracer('a service').startActiveSpan('order', async (span) => {
    await queue.add(name, data, opts)
    span.end()
    return span.spanContext().traceId
  })
  expect((await finished(queue, opts.jobId)).state).toBe('completed')
  const all = ['order', 'add palimpsest-turns.turn.v1', 'process palimpsest-turns']
  await until(async () => spansOf(traceId).includes('process palimpsest-wake'))
  expect(spansOf(traceId)).toEqual(
    expect.arrayContaining([...all, 'add palimpsest-wake.wake.v1', 'process palimpsest-wake']),
  )
})
