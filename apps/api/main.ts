import { runService } from '#adapters/service.js'
import { openApi } from './api.js'

await runService('api', async (config, databaseUrl) => {
  const api = await openApi(config, databaseUrl, {
    log: (message, error) => console.error(message, error ?? ''),
  })
  return { announce: { port: api.port }, close: () => api.close() }
})
