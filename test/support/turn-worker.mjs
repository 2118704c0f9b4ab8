// A worker of the build as a process of its own, with what tests do to it:
//   KILL_AFTER=n                   SIGKILL to itself right after its n-th commit of a turn
//   WORKER_LACKS=fence,liveness,…  what a control arm leaves out: here, and nowhere in the product

import '../../dist/libs/adapters/compile-early.js'
import { openWorker } from '../../dist/apps/worker/worker.js'
import { readConfig } from '../../dist/libs/adapters/config.js'
import { WakeWorker } from '../../dist/libs/adapters/wake-queue.js'
import { Writer } from '../../dist/libs/event-store/writer.js'
import { Liveness } from '../../dist/libs/turns/liveness.js'

const killAfter = Number(process.env.KILL_AFTER ?? 0)
const lacks = new Set((process.env.WORKER_LACKS ?? '').split(','))
let commits = 0
let fenced = 0

const { submit } = Writer.prototype
Writer.prototype.submit = async function (unit) {
  const { fence: _, ...unfenced } = unit
  const verdict = await submit.call(this, lacks.has('fence') ? unfenced : unit)
  if (verdict.status === 'fenced') fenced += 1
  return verdict
}
if (lacks.has('liveness')) Liveness.prototype.start = async () => {}
// Nothing comes of what it finds: neither of lost wakes nor of dead workers.
if (lacks.has('sweeper')) WakeWorker.prototype.takeUp = async () => {}

const log = process.env.WORKER_SILENT ? () => {} : (...said) => console.error(...said)
const worker = await openWorker(readConfig(process.env), process.env.DATABASE_URL, {
  log: (message, error) => log(message, error ?? ''),
  onCommit: () => {
    commits += 1
    if (commits === killAfter) process.kill(process.pid, 'SIGKILL')
  },
})
process.on('SIGTERM', () => worker.close('drain').then(() => process.exit(0)))
process.on('disconnect', () => process.exit(0))
process.on('message', () => process.send({ type: 'report', fenced, commits }))
process.send({ type: 'ready', workerId: worker.workerId })
