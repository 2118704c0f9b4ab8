import { readConfig } from '#adapters/config.js'
import { prepareSchema } from '#adapters/schema.js'
import { explain, StartFailure } from './start-failure.js'

/** The one migrate step, for installations whose services run apart: tables, queue, and the application's role. */
try {
  const { databaseOwnerUrl, databaseUrl } = readConfig({
    PALIMPSEST_API_KEY: 'not needed to migrate',
    ...process.env,
  })
  const url = databaseOwnerUrl ?? databaseUrl
  if (!url) {
    throw new StartFailure(
      'There is no database to migrate.',
      'Neither DATABASE_OWNER_URL nor DATABASE_URL is set; npm start migrates the one it embeds.',
      'DATABASE_URL=postgres://… npm run migrate',
    )
  }
  const { applied } = await prepareSchema(url, { onProgress: (name) => console.log(`  ✔ ${name}`) })
  console.log(
    applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.length} migrations.`,
  )
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  process.exitCode = 1
}
