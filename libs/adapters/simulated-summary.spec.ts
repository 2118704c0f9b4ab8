import { describe, expect, it } from '@jest/globals'
import type { PastMessage } from '#turns/context.js'
import { summaryMessages } from '#turns/summary-request.js'
import { simulatedSummary } from './simulated-summary.js'

const said: PastMessage[] = [
  { message_id: 'message-1', role: 'user', content: { content: 'insert a fact about the moon' } },
]

describe("the stand-in's summary", () => {
  it('is the same for the same request, works the earlier one in, and names what the user said', () => {
    const request = summaryMessages('EARLIER', said, 8_000)
    expect(simulatedSummary(request)).toBe(simulatedSummary(request))
    expect(simulatedSummary(request)).toBe(
      [
        'EARLIER',
        '[simulated] The user has written 1 messages since; the newest:',
        '- user: insert a fact about the moon',
      ].join('\n'),
    )
  })

  it('is given to nothing else', () => {
    expect(simulatedSummary([{ content: 'You are helpful.' }, { content: 'hi' }])).toBeNull()
  })
})
