// A worker that kills itself with SIGKILL right after the n-th commit of a turn (KILL_AFTER=n), or
// never (KILL_AFTER unset). Runs the compiled product, as its own process.

import { openWorker } from '../../dist/apps/worker/worker.js'
import { readConfig } from '../../dist/libs/adapters/config.js'

const killAfter = Number(process.env.KILL_AFTER ?? 0)
let commits = 0
const worker = await openWorker(readConfig(process.env), process.env.DATABASE_URL, {
  log: (message, error) => console.error(message, error ?? ''),
  onCommit: () => {
    commits += 1
    if (commits === killAfter) process.kill(process.pid, 'SIGKILL')
  },
})
process.on('SIGTERM', () => worker.close().then(() => process.exit(0)))
process.on('disconnect', () => process.exit(0))
process.send({ type: 'ready', workerId: worker.workerId })
