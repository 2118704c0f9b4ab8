import { randomBytes } from 'node:crypto'
import pg from 'pg'

/** A database of its own for one spec file. */
export interface TestDatabase {
  /** A login that owns the database. */
  readonly url: string
  /** Ends every session and removes it. */
  drop(): Promise<void>
}

/**
 * Makes a migrated, empty database: a copy of the run's template, some 30 ms.
 *
 * @param template another database to copy: its sessions are ended.
 */
export async function createTestDatabase(
  template: string = required('PALIMPSEST_TEST_TEMPLATE'),
): Promise<TestDatabase> {
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`
  await execute(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${template}'`,
  )
  await execute(`create database ${name} template ${template}`)
  const url = new URL(required('PALIMPSEST_TEST_SERVER_URL'))
  url.pathname = `/${name}`
  return {
    url: url.href,
    drop: () => execute(`drop database if exists ${name} with (force)`),
  }
}

async function execute(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: required('PALIMPSEST_TEST_SERVER_URL') })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

function required(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: it comes from test/support/global-setup.ts`)
  return value
}
