import { it } from '@jest/globals'
import { startProduct } from '../support/product.js'
import { makeAgent, makeBlock, restOf } from '../support/rest.js'
it('probe', async () => {
  const product = await startProduct({ workers: 0 })
  const rest = restOf(product.port)
  const time = async (name: string, f: () => Promise<any>) => {
    const t = Date.now(); 
    try { const a = await f(); console.log(name, Date.now() - t, a.status, String(a.text).slice(0, 300)) } catch (e) { console.log(name, Date.now() - t, String(e)) }
  }
  const nl = await makeBlock(rest, { value: '\n'.repeat(100_000) })
  await time('ambiguous nl', () => rest('POST', `/v1/blocks/${nl.id}/replace`, { old_string: '\n', new_string: 'x' }))
  const as = await makeBlock(rest, { value: 'a'.repeat(100_000) })
  await time('all a', () => rest('POST', `/v1/blocks/${as.id}/replace`, { old_string: 'a', new_string: 'b', all: true }))
  await time('read', () => rest('GET', `/v1/blocks/${as.id}`))
  await time('hist', () => rest('GET', `/v1/blocks/${as.id}/history`))
  const em = await makeBlock(rest, { value: '\u{1f600}'.repeat(100_000) })
  await time('ambiguous emoji', () => rest('POST', `/v1/blocks/${em.id}/replace`, { old_string: '\u{1f600}', new_string: 'x' }))
  await time('all emoji', () => rest('POST', `/v1/blocks/${em.id}/replace`, { old_string: '\u{1f600}', new_string: 'b', all: true }))
  await product.close()
  console.log(product.logged)
}, 120000)
