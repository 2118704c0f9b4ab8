import type { Pool } from 'pg'

/** A database this service must not work with: what is wrong, and the one command that mends it. */
export class BootRefusal extends Error {
  constructor(
    readonly reason: 'unsafe_durability' | 'unsafe_role',
    message: string,
    readonly hint: string,
  ) {
    super(message)
    this.name = 'BootRefusal'
  }
}

/** Whether what was acknowledged survives a power cut. */
export type Durability = 'ok' | 'degraded'

/** What is said at start when it is not, in whatever way is loudest. */
export const UNSAFE_DURABILITY_WARNING =
  'PALIMPSEST_ALLOW_UNSAFE_DURABILITY is set and Postgres does not flush what it acknowledges: ' +
  'a power cut WILL lose or corrupt data that callers were told is safe.'

interface Row {
  fsync: string
  full_page_writes: string
  synchronous_commit: string
  role: string
  superuser: boolean
  bypasses: boolean
  owns: boolean
  may: string[]
}

const LOOK = `
select current_setting('fsync') as fsync,
       current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_user as role, r.rolsuper as superuser, r.rolbypassrls as bypasses,
       exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relowner = r.oid and n.nspname = current_schema()) as owns,
       array(select p from unnest(array['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p
              where has_table_privilege('events', p)
                 or (p = 'UPDATE' and has_any_column_privilege('events', p))) as may
  from pg_roles r where r.rolname = current_user`

/**
 * Looks whether the database keeps what it acknowledges, and whether the role this service works as
 * could change what was written.
 *
 * @param pool as the service uses it: settings and role are those of its connections.
 * @throws BootRefusal
 */
export async function checkDatabase(
  pool: Pool,
  options: { readonly allowUnsafeDurability: boolean },
): Promise<Durability> {
  const { rows } = await pool.query<Row>(LOOK)
  const row = rows[0] as Row
  refuseRole(row)
  const off = (['fsync', 'full_page_writes', 'synchronous_commit'] as const).filter(
    (setting) => row[setting] === 'off',
  )
  if (off.length === 0) return 'ok'
  if (options.allowUnsafeDurability) return 'degraded'
  const names = off.join(' and ')
  throw new BootRefusal(
    'unsafe_durability',
    `Postgres runs with ${names} off: it would lose changes it has acknowledged when the machine fails.`,
    `${off.map((name) => `ALTER SYSTEM SET ${name} = on;`).join(' ')} SELECT pg_reload_conf();   (in psql; or, for data nobody wants back: PALIMPSEST_ALLOW_UNSAFE_DURABILITY=1)`,
  )
}

function refuseRole({ role, superuser, bypasses, owns, may }: Row): void {
  const faults = [
    ...(superuser ? ['is a superuser'] : []),
    ...(bypasses ? ['bypasses row-level security'] : []),
    ...(owns ? ['owns tables'] : []),
    ...(may.length > 0 ? [`has ${may.join(', ')} on events`] : []),
  ]
  if (faults.length === 0) return
  const revoke = `REVOKE ${may.join(', ')} ON events FROM ${role};`
  throw new BootRefusal(
    'unsafe_role',
    `The role ${role}, as which this service works, ${faults.join(' and ')}: it could change what was written.`,
    may.length > 0 && faults.length === 1
      ? `${revoke}   (in psql, as the owner; a grant to PUBLIC or to a role it is a member of counts too)`
      : `ALTER ROLE ${role} NOSUPERUSER NOBYPASSRLS;   (in psql, as a superuser; its tables belong to the login of DATABASE_OWNER_URL)`,
  )
}
