import { describe, expect, it } from '@jest/globals'
import { z } from 'zod'
import { readFields } from './field-faults.js'
import { type TurnJobData, turnJob, turnJobData } from './turn-job.js'
import { turnResult } from './turn-result.js'

const AGENT = 'agent-00000000-0000-4000-8000-000000000000'
const least = { agent_id: AGENT, input: 'go' }

/** The pointer and code of each fault. */
function faults(data: unknown): string[] {
  const read = readFields(turnJobData, data)
  return 'faults' in read ? read.faults.map(({ path, code }) => `${path.join('.')} ${code}`) : []
}

describe('a job turn.v1', () => {
  it('is made with the id of the run to come, and is checked before it is sent', () => {
    const { queueName, name, data, opts } = turnJob(least)
    expect([queueName, name, data]).toEqual(['palimpsest-turns', 'turn.v1', least])
    expect(opts.jobId).toMatch(
      /^run-[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
    )
    expect(turnJob(least).opts.jobId).not.toBe(opts.jobId)
    const wrong = { ...least, agent_name: 'a', deadline: 1 } as TurnJobData
    expect(() => turnJob(wrong)).toThrow('/deadline: unknown field')
  })

  it('takes everything that is documented', () => {
    const whole = {
      agent_name: 'editor',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'go' }], name: 'a', otid: null }],
      overrides: { model: 'openai/gpt-4o-mini', max_steps: 1, max_tokens: 1 },
      deadline_ms: 1,
      policy: 'interrupt',
      reply_to: { queue: 'team-a/replies' },
      idempotency_key: 'k',
      request_id: 'r',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      metadata: { a: 1, b: 'x', c: true, d: null },
      tenant_id: 'default',
    }
    expect(faults(whole)).toEqual([])
  })

  it.each([
    [{ ...least, agent_name: 'a' }, 'agent_name invalid_argument'],
    [{ input: 'go' }, 'agent_id invalid_argument'],
    [{ agent_id: AGENT, messages: [] }, 'messages invalid_argument'],
    [{ agent_id: 'agent-1', input: 'go' }, 'agent_id invalid_id'],
    [{ ...least, input: 'a\u0000b' }, 'input nul_not_allowed'],
    [{ ...least, input: 'a\ud800b' }, 'input lone_surrogate'],
    [{ ...least, metadata: { 'a\u0000': 1 } }, 'metadata.a\u0000 nul_not_allowed'],
    [{ ...least, metadata: { a: { b: 1 } } }, 'metadata.a invalid_type'],
    [{ ...least, overrides: { max_tokens: 0 } }, 'overrides.max_tokens invalid_argument'],
    [{ ...least, overrides: { temperature: 1 } }, 'overrides.temperature unknown_field'],
    [{ ...least, reply_to: { queue: 'a:b' } }, 'reply_to.queue invalid_argument'],
    [{ ...least, reply_to: { queue: 'palimpsest-turns' } }, 'reply_to.queue invalid_argument'],
    [{ ...least, reply_to: { url: 'https://a.example' } }, 'reply_to.queue invalid_type'],
    [{ ...least, policy: 'rollback' }, 'policy invalid_argument'],
    [{ ...least, tenant_id: 'other' }, 'tenant_id invalid_argument'],
    [{ ...least, deadline_ms: 1.5 }, 'deadline_ms invalid_type'],
  ])('%j is refused for its %s', (data, fault) => {
    expect(faults(data)).toContain(fault)
  })

  it('has a JSON Schema, and so has what it returns', () => {
    const schema = z.toJSONSchema(turnJobData, { io: 'input' })
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
    expect(Object.keys(schema.properties ?? {})).toContain('reply_to')
    expect(z.toJSONSchema(turnResult)).toMatchObject({ type: 'object' })
  })
})
