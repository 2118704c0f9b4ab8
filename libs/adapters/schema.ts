import { migrate } from '#postgres/migrator.js'
import { prepareQueue } from './wake-queue.js'

/**
 * The one migrate step: this version's tables and the queue's, by the owner's login. Running services
 * never make tables.
 *
 * @throws MigrationError
 */
export async function prepareSchema(
  ownerUrl: string,
  options: { onProgress?: (name: string) => void } = {},
): Promise<{ applied: string[] }> {
  const result = await migrate(ownerUrl, options)
  await prepareQueue(ownerUrl)
  return result
}
