import { runService } from '#adapters/service.js'
import { openWorker } from './worker.js'

await runService('worker', async (config, databaseUrl) => {
  const worker = await openWorker(config, databaseUrl, {
    log: (message, error) => console.error(message, error ?? ''),
  })
  return {
    announce: { workerId: worker.workerId, turns: config.turns },
    close: () => worker.close(),
  }
})
