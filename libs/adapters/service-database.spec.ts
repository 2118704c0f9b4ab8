import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { WRITER_CONNECTIONS } from '#event-store/writer.js'
import { createTestDatabase } from '../../test/support/database.js'
import { readConfig } from './config.js'
import { openServiceDatabase } from './service-database.js'

it('has all connections of its writer from the beginning and for good: no group of units waits for one to be made', async () => {
  const { url, drop } = await createTestDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'palimpsest-writes-'))
  const env = { PALIMPSEST_DATA_DIR: dataDir, PALIMPSEST_ALLOW_UNSAFE_DURABILITY: '1' }
  const { reads, writes, close } = await openServiceDatabase(readConfig(env), url, 4, () => {})
  const kept = ({ totalCount, idleCount, options }: typeof writes) => {
    return { totalCount, idleCount, forGood: options.idleTimeoutMillis === 0 }
  }
  const all = { totalCount: WRITER_CONNECTIONS, idleCount: WRITER_CONNECTIONS, forGood: true }
  expect(kept(writes)).toEqual(all)
  // The others come and go.
  expect(kept(reads)).not.toMatchObject({ forGood: true })
  await close()
  await rm(dataDir, { recursive: true })
  await drop()
})
