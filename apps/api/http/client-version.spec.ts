import { expect, it } from '@jest/globals'
import type { FastifyRequest } from 'fastify'
import { isLegacyClient } from './client-version.js'

it.each<[Record<string, string>, boolean]>([
  [{ 'user-agent': '@letta-ai/letta-client/0.1.211' }, true],
  [{ 'user-agent': 'node' }, true],
  [{ 'user-agent': 'Letta/JS 1.12.1', 'x-stainless-package-version': '1.12.1' }, false],
  [{ 'user-agent': 'letta/0.1', 'x-stainless-package-version': '1.3.1' }, false],
  [{ 'user-agent': 'curl/8.5.0' }, false],
  [{}, false],
])('headers %j: before 1.0 is %s', (headers, legacy) => {
  expect(isLegacyClient({ headers } as unknown as FastifyRequest)).toBe(legacy)
})
