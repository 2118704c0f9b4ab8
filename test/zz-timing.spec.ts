import { it } from '@jest/globals'
import { newClient } from './support/clients.js'
import { ScriptedModelServer } from './support/model-server.js'
import { startProduct } from './support/product.js'
const t = async <T>(name: string, f: () => Promise<T>): Promise<T> => { const s = performance.now(); const r = await f(); console.info(name, Math.round(performance.now() - s)); return r }
it.each([[undefined], [process.env.PALIMPSEST_TEST_REDIS_URL]])('times %s', async (redisUrl) => {
  const model = await ScriptedModelServer.start()
  const p = await t('start', () => startProduct({ workers: 0, redisUrl, env: { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'none' } }))
  const w = await t('worker', () => p.startWorker())
  const c = newClient(p.url)
  const b = await c.createBlock({ label: 'a', value: 'b' })
  const a = await c.createAgent({ name: 'x', blockIds: [b.id] })
  for (let i = 0; i < 4; i++) { model.script([{ text: 'hi' }]); await t('send', () => c.send(a.id, 'hello')) }
  model.script([{ hang: true }])
  const pending = c.send(a.id, 'x').catch(() => {})
  await model.requestsArrived(5)
  await t('close busy worker', () => w.close())
  const w2 = await t('worker2', () => p.startWorker())
  await t('again', () => model.requestsArrived(6))
  await t('close', () => w2.close())
  const w3 = await t('worker3', () => p.startWorker())
  await t('close idle', () => w3.close())
  await w.close; await t('close product', () => p.close())
  await pending
  console.info(p.logged.join('\n').slice(0, 3000))
  await model.close()
}, 60000)
