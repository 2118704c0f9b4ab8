import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { newClient } from './support/clients.js'
import { Clone, type Supervised } from './support/supervised.js'

const STOP_MS = 2_000
const PROGRAMS = ['full-0.x', 'steps-0.x', 'full-1.x', 'steps-1.x']

let clone: Clone
let running: Supervised
const url = (): string => `http://localhost:${clone.port}`

beforeAll(async () => {
  clone = await Clone.create(undefined, 'real')
  running = clone.start()
  await running.ready()
}, 60_000)

afterAll(() => clone.remove())

/** Runs a program as a person would: its own process, nothing shared with this one. */
async function run(program: string): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, LETTA_BASE_URL: url() },
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const [code] = await once(child, 'close')
  return { code, out, err }
}

function pidOf(app: 'api' | 'worker'): number {
  const found = clone
    .processes()
    .find(({ command }) => command.includes(`dist/apps/${app}/main.js`))
  if (!found) throw new Error(`no ${app} runs`)
  return found.pid
}

const tutorialWorks = async (): Promise<void> => {
  const { code, err } = await run(join('test', 'tutorial', 'full-1.x.mjs'))
  expect([code, err]).toEqual([0, ''])
}

describe('npm start and the programs of the tutorial', () => {
  it.each(PROGRAMS)(
    '%s: exit 0, no warning, a line of each agent below the first',
    async (name) => {
      const { code, out, err } = await run(join('test', 'tutorial', `${name}.mjs`))
      expect([code, err]).toEqual([0, ''])
      const block =
        out.split('==== Updated block ====\n')[1]?.split('\n=====')[0]?.split('\n') ?? []
      expect(block).toEqual([
        'Organization: Letta',
        expect.stringMatching(/^Agent1: \S/),
        expect.stringMatching(/^Agent2: \S/),
      ])
      if (name.startsWith('steps')) {
        expect(out.match(/^Tool call: (web_search|memory_insert)\(".*"\)$/gm)).toHaveLength(4)
        expect(out.match(/^Agent[12] response: \[simulated\] /gm)).toHaveLength(2)
      }
    },
  )

  it('npm run tutorial tells the same, the refusal of the read-only block, and where the history is', async () => {
    const { code, out, err } = await run(join('dist', 'apps', 'cli', 'tutorial.js'))
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/v4 .* agent1 +TextInserted/)
    expect(out).toMatch(/rejected block_read_only/)
    expect(out).toMatch(/\/v1\/blocks\/block-[0-9a-f-]+\/history/)
  })
})

describe('kill -9', () => {
  it.each(['api', 'worker'] as const)(
    'of the %s: it is started again, and what was answered is there',
    async (app) => {
      const client = newClient(url())
      const kept = await client.createBlock({ label: 'kept', value: `before ${app} died` })
      const again = running.output.length
      process.kill(pidOf(app), 'SIGKILL')
      await running.says(new RegExp(`^[\\s\\S]{${again}}[\\s\\S]*${app} is ready again`))
      expect((await client.retrieveBlock(kept.id)).value).toBe(`before ${app} died`)
      await tutorialWorks()
    },
  )

  it('of Postgres: it is started again, and what was answered is there', async () => {
    const client = newClient(url())
    const kept = await client.createBlock({ label: 'kept', value: 'before Postgres died' })
    const again = running.output.length
    process.kill(clone.postgresPid(), 'SIGKILL')
    await running.says(new RegExp(`^[\\s\\S]{${again}}[\\s\\S]*Postgres is back`))
    expect((await client.retrieveBlock(kept.id)).value).toBe('before Postgres died')
    await tutorialWorks()
  })

  it('of the supervisor: the next start goes on with the same data', async () => {
    const client = newClient(url())
    const kept = await client.createBlock({ label: 'kept', value: 'before the supervisor died' })
    running.child.kill('SIGKILL')
    await running.closed
    running = clone.start()
    await running.ready()
    expect((await client.retrieveBlock(kept.id)).value).toBe('before the supervisor died')
    await tutorialWorks()
  })
})

describe('Ctrl-C in the middle of a turn', () => {
  it('ends everything within two seconds; the next start finishes the turn, once', async () => {
    const client = newClient(url())
    const block = await client.createBlock({ label: 'slow', value: 'first' })
    const created = await fetch(`${url()}/v1/agents/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        name: 'slow',
        model: 'sim/slow?ms=1500',
        block_ids: [block.id],
        tools: ['web_search'],
      }),
    })
    const agent = (await created.json()) as { id: string }
    const content =
      'Find information about the origin of Letta. Insert what you learn into the memory block, prepended with "Slow: ".'
    const queued = await fetch(`${url()}/v1/agents/${agent.id}/messages/async`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content }] }),
    })
    const { id: runId } = (await queued.json()) as { id: string }
    await until(
      async () => (await read<{ status: string }>(`/v1/runs/${runId}`)).status === 'running',
    )
    const end = await running.signal('SIGINT')
    expect(end.tookMs).toBeLessThan(STOP_MS)
    expect(clone.processes()).toEqual([])

    running = clone.start()
    await running.ready()
    await until(
      async () => (await read<{ status: string }>(`/v1/runs/${runId}`)).status === 'completed',
    )
    const { value } = await client.retrieveBlock(block.id)
    expect(value.split('\n')).toEqual(['first', expect.stringMatching(/^Slow: /)])
  }, 60_000)
})

async function read<T>(path: string): Promise<T> {
  return (await (await fetch(`${url()}${path}`)).json()) as T
}

/** Asks until it is so; the test's own time limit ends it. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}
