import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { jest } from '@jest/globals'
import Letta from '@letta-ai/letta-client'
import { LettaClient } from 'letta-client-legacy'

/** Both generations of Letta's client, against one server. */
export interface LettaClients {
  readonly current: Letta
  readonly legacy: LettaClient
  /** What the clients have written to the console since they were made: 0.x warns of what it cannot parse. */
  warnings(): string[]
  restore(): void
}

export function lettaClients(url: string): LettaClients {
  const written: string[] = []
  const spies = (['warn', 'error', 'log'] as const).map((method) =>
    jest.spyOn(console, method).mockImplementation((...args) => {
      written.push(args.map(String).join(' '))
    }),
  )
  return {
    current: new Letta({ apiKey: 'any', baseURL: url, maxRetries: 0 }),
    legacy: new LettaClient({ token: 'any', baseUrl: url }),
    warnings: () => [...written],
    restore: () => {
      for (const spy of spies) spy.mockRestore()
    },
  }
}

/** A server that answers everything with one JSON value, which may be changed. */
export interface CannedServer {
  readonly url: string
  answer: unknown
  close(): Promise<void>
}

export async function startCannedServer(): Promise<CannedServer> {
  const server: Server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.setHeader('content-type', 'application/json; charset=utf-8')
      response.end(JSON.stringify(canned.answer))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const canned: CannedServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answer: null,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return canned
}
