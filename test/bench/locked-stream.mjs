// One stream is locked by somebody else for two seconds, and has a unit waiting, while 255 others are
// written. A flush is the time of one group's round without the lock: the p50 of those same 255.
import { append } from './append.mjs'
import { newBlock, openWriter, replacement, TENANT } from './blocks.mjs'
import { ownerPool } from './raw-insert.mjs'

const OTHERS = 255
const LOCKED_MS = 2_000
const FREE = '255 others, nothing locked'
const LOCKED = 'one of 256 locked for 2 s'

export function lockedStream(bench) {
  return bench.compare({
    inFlight: OTHERS,
    ms: LOCKED_MS,
    arms: { [FREE]: append({ hot: false, withIds: false }), [LOCKED]: besideLocked },
    more: (of) => ({
      [FREE]: { p99Flushes: of[FREE].p99 / of[FREE].p50 },
      [LOCKED]: { p99Flushes: of[LOCKED].p99 / of[FREE].p50 },
    }),
  })
}

async function besideLocked({ url, inFlight }) {
  const { writer, close } = openWriter(url)
  const elsewhere = ownerPool(url)
  const blocks = []
  for (let n = 0; n <= inFlight; n++) blocks.push(await newBlock(writer, 2_000))
  const locked = blocks.pop()
  return {
    async operation(worker) {
      const verdict = await writer.submit(replacement(blocks[worker]))
      if (verdict.status !== 'ok') throw new Error(verdict.status)
    },
    async around(run) {
      const client = await elsewhere.connect()
      try {
        await client.query('begin')
        await client.query(
          'select from streams where tenant_id = $1 and stream_id = $2 for update',
          [TENANT, locked],
        )
        const begun = performance.now()
        const waiting = writer.submit(replacement(locked)).then((verdict) => ({
          outcome:
            verdict.status === 'ok' ? 'written' : (verdict.rejection?.code ?? verdict.status),
          waitedMs: Math.round(performance.now() - begun),
        }))
        const figures = await run()
        await client.query('rollback')
        const { outcome, waitedMs } = await waiting
        return { ...figures, remark: `the one: ${outcome} after ${waitedMs} ms` }
      } finally {
        client.release()
      }
    },
    async close() {
      await close()
      await elsewhere.end()
    },
  }
}
