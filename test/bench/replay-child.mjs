// Folds one stream from its first event and says how long that took, and how much memory.
import { foldStream } from '../../dist/libs/event-store/stream-reader.js'
import { createPool } from '../../dist/libs/postgres/database.js'
import { TENANT } from './blocks.mjs'

const [url, blockId] = process.argv.slice(2)
const pool = createPool(url, { max: 4, queryTimeoutMs: 120_000 })
await pool.query('select 1')
const begun = performance.now()
const { version, state } = await foldStream(pool, TENANT, blockId)
const seconds = (performance.now() - begun) / 1000
// maxRSS is in KB on every system.
const rssMb = process.resourceUsage().maxRSS / 1024
await pool.end()
process.send({ version, length: state.length, seconds, rssMb }, () => process.disconnect())
