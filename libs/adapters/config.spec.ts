import { describe, expect, it } from '@jest/globals'
import { ConfigError, readConfig } from './config.js'

describe('the prefix of the queues', () => {
  it('is that of BullMQ unless one is named, for queues in Redis alone', () => {
    const REDIS_URL = 'redis://localhost:6379'
    expect(readConfig({ REDIS_URL }).queuePrefix).toBe('bull')
    expect(readConfig({ REDIS_URL, PALIMPSEST_QUEUE_PREFIX: '{a}' }).queuePrefix).toBe('{a}')
    expect(() => readConfig({ PALIMPSEST_QUEUE_PREFIX: 'a' })).toThrow(ConfigError)
    expect(() => readConfig({ REDIS_URL, PALIMPSEST_QUEUE_PREFIX: 'a:b' })).toThrow(
      /PALIMPSEST_QUEUE_PREFIX must be/,
    )
  })
})
