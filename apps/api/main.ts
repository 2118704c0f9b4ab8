import '#adapters/compile-early.js'
import { runService } from '#adapters/service.js'
import { UNSAFE_DURABILITY_WARNING } from '#postgres/boot-checks.js'
import { openApi } from './api.js'

await runService('api', async (config, databaseUrl) => {
  const api = await openApi(config, databaseUrl, {
    log: (message, error) => console.error(message, error ?? ''),
  })
  if (api.durability === 'degraded') console.error(UNSAFE_DURABILITY_WARNING)
  return { announce: { port: api.port }, close: () => api.close() }
})
