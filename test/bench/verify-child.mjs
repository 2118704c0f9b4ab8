// Verifies the whole log, as `palimpsest verify` does, and says how long that took, and how much memory.
import { verifyLog } from '../../dist/libs/event-store/verify.js'
import { createPool } from '../../dist/libs/postgres/database.js'
import { TENANT } from './blocks.mjs'

const [url] = process.argv.slice(2)
const pool = createPool(url, { max: 4, queryTimeoutMs: 120_000 })
await pool.query('select 1')
const begun = performance.now()
const { ok, events } = await verifyLog(pool, { tenantId: TENANT, keys: new Map(), outside: [] })
const seconds = (performance.now() - begun) / 1000
if (!ok) throw new Error('the log does not verify')
// maxRSS is in KB on every system.
const rssMb = process.resourceUsage().maxRSS / 1024
await pool.end()
process.send({ events, seconds, rssMb }, () => process.disconnect())
