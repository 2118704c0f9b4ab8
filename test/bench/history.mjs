// Logs as they would be after years, in seconds: events made by the server itself, chained as the writer
// chains them, each replacing the block's first line. Some of it is read back and verified.
import { randomUUID } from 'node:crypto'
import { createBlock } from '../../dist/libs/domain/block.js'
import { evolve, initialState } from '../../dist/libs/domain/streams.js'
import { firstBroken } from '../../dist/libs/event-store/chain.js'
import { foldStream, readChain, readStream } from '../../dist/libs/event-store/stream-reader.js'
import { TENANT } from './blocks.mjs'
import { words } from './words.mjs'

/** Characters of the line. It stands three times in an event: what was there, what comes, and the effect. */
const LINE = 32
const BODY = words(968)
/** Events of one statement. */
const BATCH = 100_000
const PAGE = 1_000
/** So often does the writer take a snapshot of a short block. */
const SNAPSHOT_EVERY = 100

const SETUP = `
create unlogged table history (stream_id text primary key, version int not null, hash bytea not null);
create function history_line(version int) returns text language sql immutable as $$
  select lpad(version::text, 10, '0') || ' ' || substr(md5(version::text), 1, ${LINE - 12}) || ' ' $$;
create function history_time(version int) returns timestamptz language sql immutable as $$
  select '2026-01-01T00:00:00Z'::timestamptz + version * interval '1 second' $$;
create function history_header(stream_id text, version int, type text) returns bytea language sql stable as $$
  select convert_to(format('[1,"${TENANT}","%s",%s,"%s",1,{"id":"bench","kind":"user"},"c-%s",null,null,"%s"]',
    stream_id, version, type, version,
    to_char(history_time(version) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), 'UTF8') $$;
create function history_payload(version int) returns text language sql stable as $$
  select format('{"intent":{"old":"%s","new":"%s"},"effect":[{"offset":0,"delete":${LINE},"insert":"%s"}],'
    '"receipt":{"matched":"exact","places":1,"line":1,"unseen":[]},"length":${LINE + BODY.length}}',
    history_line(version - 1), history_line(version), history_line(version)) $$`

const COLUMNS = `tenant_id, stream_id, version, type, schema, actor, command_id, correlation, base_version,
       recorded_at, payload, salt, payload_hash, prev_hash, hash`
const ACTOR = `'{"id":"bench","kind":"user"}'::json`

/** Steps of a stream's chain, each from the one before: breadth first, so positions rise with versions. */
const EXTEND = `
with recursive chain as (
  select stream_id, version, ''::text as payload, ''::bytea as salt, ''::bytea as payload_hash,
         ''::bytea as prev_hash, hash, version + $1::int as last
    from history where stream_id = any($2)
  union all
  select stream_id, version, payload, salt, payload_hash, prev_hash,
         sha256(prev_hash || payload_hash || history_header(stream_id, version, 'TextReplaced')), last
    from (select *, sha256(salt || convert_to(payload, 'UTF8')) as payload_hash
            from (select c.stream_id, c.version + 1 as version, history_payload(c.version + 1) as payload,
                         uuid_send(gen_random_uuid()) as salt, c.hash as prev_hash, c.last
                    from chain c where c.version < c.last) step) hashed)
insert into events (${COLUMNS})
select '${TENANT}', stream_id, version, 'TextReplaced', 1, ${ACTOR}, 'c-' || version, null, null,
       history_time(version), payload::json, salt, payload_hash, prev_hash, hash
  from chain where payload <> ''`

const MOVE = `
update history h set version = e.version, hash = e.hash from events e
 where h.stream_id = any($2)
   and e.tenant_id = '${TENANT}' and e.stream_id = h.stream_id and e.version = h.version + $1::int`

/** Heads as the writer would have left them; what others have written behind the first line stays. */
const HEADS = `
insert into streams (tenant_id, stream_id, kind, version, hash, value, length)
select '${TENANT}', stream_id, 'block', version, hash, history_line(version) || $1, ${LINE} + length($1)
  from history
on conflict (tenant_id, stream_id) do update
   set version = excluded.version, hash = excluded.hash,
       value = left(excluded.value, ${LINE}) || substr(streams.value, ${LINE + 1})
 where streams.version <> excluded.version`

export class History {
  #pool

  /** @param pool of the database's owner. */
  constructor(pool) {
    this.#pool = pool
  }

  /** @returns the ids of so many new blocks, each with its first event and its head. */
  async create(count) {
    await this.#pool.query(SETUP)
    // In order, as they are filled: so neighbours in the index are filled together.
    const ids = Array.from({ length: count }, () => `block-${randomUUID()}`).sort()
    const { rows } = await this.#pool.query('select history_line(1) as line')
    const decided = createBlock(initialState(ids[0]), rows[0].line + BODY, { label: 'bench' })
    await this.#pool.query(
      `with made as (
        select id as stream_id, $2::text as payload, uuid_send(gen_random_uuid()) as salt,
               decode(repeat('00', 32), 'hex') as prev_hash
          from unnest($1::text[]) id),
      hashed as (select *, sha256(salt || convert_to(payload, 'UTF8')) as payload_hash from made),
      first as (
        insert into events (${COLUMNS})
        select '${TENANT}', stream_id, 1, 'BlockCreated', 1, ${ACTOR}, 'c-1', null, null, history_time(1),
               payload::json, salt, payload_hash, prev_hash,
               sha256(prev_hash || payload_hash || history_header(stream_id, 1, 'BlockCreated'))
          from hashed returning stream_id, version, hash)
      insert into history select stream_id, version, hash from first`,
      [ids, JSON.stringify(decided.value.events[0].payload)],
    )
    await this.#pool.query(HEADS, [BODY])
    return ids
  }

  /** So many more events on each of these blocks, or on all; also where others have written meanwhile. */
  async extend(events, ids = null) {
    await this.#pool.query(`
      update history h set version = s.version, hash = s.hash from streams s
       where s.tenant_id = '${TENANT}' and s.stream_id = h.stream_id and s.version <> h.version`)
    const { rows } = await this.#pool.query(
      'select stream_id from history where stream_id = any($1) or $1 is null order by stream_id',
      [ids],
    )
    const all = rows.map((row) => row.stream_id)
    const together = Math.max(1, Math.floor(BATCH / events))
    const chunks = Array.from({ length: Math.ceil(all.length / together) }, (_, n) =>
      all.slice(n * together, (n + 1) * together),
    )
    const lane = async () => {
      for (let chunk = chunks.shift(); chunk; chunk = chunks.shift()) {
        await this.#extend(events, chunk)
      }
    }
    await Promise.all([lane(), lane()])
    await this.#pool.query(HEADS, [BODY])
  }

  async #extend(events, ids) {
    const client = await this.#pool.connect()
    try {
      await client.query(`set work_mem = '256MB'`)
      for (let done = 0; done < events; done += BATCH) {
        const values = [Math.min(BATCH, events - done), ids]
        await client.query('begin')
        await client.query(EXTEND, values)
        await client.query(MOVE, values)
        await client.query('commit')
      }
      await client.query('reset work_mem')
    } finally {
      client.release()
    }
  }

  /** Snapshots as the writer would have taken them, from the newest there is up to the head. */
  async takeSnapshots(blockId) {
    const { rows } = await this.#pool.query(
      'select coalesce(max(version), 1) as version from snapshots where stream_id = $1',
      [blockId],
    )
    const { version: from } = rows[0]
    let { state } = await foldStream(this.#pool, TENANT, blockId, from)
    let after = from
    for (;;) {
      const page = await readStream(this.#pool, TENANT, blockId, {
        after,
        limit: PAGE,
        order: 'asc',
      })
      if (page.length === 0) return
      const taken = []
      for (const event of page) {
        state = evolve(state, event)
        after = event.version
        if (after % SNAPSHOT_EVERY === 0) taken.push([after, JSON.stringify(state)])
      }
      await this.#pool.query(
        `insert into snapshots (tenant_id, stream_id, version, state)
         select $1, $2, * from unnest($3::int[], $4::json[]) on conflict do nothing`,
        [TENANT, blockId, taken.map(([version]) => version), taken.map(([, state]) => state)],
      )
    }
  }

  /** @throws unless these streams are what the writer itself might have written. */
  async verify(ids) {
    for (const id of ids) {
      const broken = firstBroken(await readChain(this.#pool, TENANT, id))
      if (broken)
        throw new Error(`event ${broken.version} of ${id} does not hold: ${broken.reason}`)
      const { rows } = await this.#pool.query('select value from streams where stream_id = $1', [
        id,
      ])
      const { state } = await foldStream(this.#pool, TENANT, id)
      if (rows[0].value !== state.value) throw new Error(`the head of ${id} is not its fold`)
    }
    const { rows } = await this.#pool.query(
      `select count(*)::int as wrong
         from (select position > lag(position) over (partition by stream_id order by version) as rises
                 from events where tenant_id = $1 and stream_id = any($2)) e
        where not rises`,
      [TENANT, ids],
    )
    if (rows[0].wrong > 0) throw new Error(`${rows[0].wrong} positions do not rise with versions`)
  }

  async events() {
    const { rows } = await this.#pool.query('select count(*)::int as events from events')
    return rows[0].events
  }
}
