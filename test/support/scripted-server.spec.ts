import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ScriptedModelServer } from './model-server.js'
import { heldUntil } from './scripted-server.js'

let server: ScriptedModelServer

beforeAll(async () => {
  server = await ScriptedModelServer.start()
})

afterAll(() => server.close())

async function ask(content: string): Promise<{ status: number; text: string | null }> {
  const response = await fetch(`${server.url}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] }),
  })
  const body = (await response.json()) as { choices?: { message: { content: string } }[] }
  return { status: response.status, text: body.choices?.[0]?.message.content ?? null }
}

describe('a scripted server', () => {
  it('complains of a call too many and of a step too many', async () => {
    server.script([{ text: 'one' }])
    expect(() => server.assertConsumed()).toThrow('1 steps were never asked for')
    expect(await ask('a')).toEqual({ status: 200, text: 'one' })
    server.assertConsumed()
    expect((await ask('b')).status).toBe(400)
    expect(() => server.assertConsumed()).toThrow('1 requests had no step')
    server.reset()
  })

  it('holds every answer until all have asked', async () => {
    const together = heldUntil(16)
    let answered = 0
    let arrivedAtFirstAnswer = 0
    server.routeBy(({ messages }) => together({ text: messages[0]?.content ?? '' }))
    const asks = Array.from({ length: 16 }, async (_, i) => {
      const { text } = await ask(`${i}`)
      if (answered++ === 0) arrivedAtFirstAnswer = server.requests.length
      return text
    })
    expect(await Promise.all(asks)).toEqual(Array.from({ length: 16 }, (_, i) => `${i}`))
    expect(arrivedAtFirstAnswer).toBe(16)
    server.reset()
  })
})
