import '#adapters/compile-early.js'
import { runService } from '#adapters/service.js'
import { UNSAFE_DURABILITY_WARNING } from '#postgres/boot-checks.js'
import { openWorker } from './worker.js'

await runService('worker', async (config, databaseUrl) => {
  const worker = await openWorker(config, databaseUrl, {
    log: (message, error) => console.error(message, error ?? ''),
  })
  if (worker.durability === 'degraded') console.error(UNSAFE_DURABILITY_WARNING)
  return {
    announce: { workerId: worker.workerId, turns: config.turns },
    close: (how) => worker.close(how),
  }
})
