// 100 characters more on blocks of three sizes, against the update of the whole value; and what each edit
// writes to the log of the server, our snapshots with it. At 2 KB an edit replaces a line in place instead,
// because a block that grows would not stay of that size.
import { EDIT, insertion, newBlock, openWriter, replacement, submit } from './blocks.mjs'
import { ownerPool } from './raw-insert.mjs'
import { RAW } from './rounds.mjs'
import { words } from './words.mjs'

const SIZES = [
  { name: '2 KB', length: 2_000, grows: false },
  { name: '100 KB', length: 100_000, grows: true },
  { name: '1 MB', length: 1_000_000, grows: true },
]
/**
 * A block that has grown by so much is left for a fresh one: "1 MB" is to mean about 1 MB, and the
 * snapshots that its growth brings are to be in what is counted.
 */
const GROWTH_SHARE = 0.6
/** More edits a second than the writer has ever made: so many blocks are made ready. */
const EDITS_A_SECOND_MAX = 12_000
const SNAPSHOT_WAIT_MS = 2_000
const POLL_MS = 10

export async function sizes(bench) {
  await atEachSize(bench, [1, 8], (name) => name)
  // A flush of 1 ms hides what a rewrite costs the processor at one in flight: once more without it.
  if (!bench.server.isOwn) return
  await bench.server.set('commit_delay', 0)
  await atEachSize(bench, [1, 8], (name) => `${name} (T0: no flush delay)`)
  await bench.server.set('commit_delay', 1000)
}

async function atEachSize(bench, inFlights, named) {
  for (const size of SIZES) {
    const edit = `${size.name}, ${size.grows ? 'append' : 'replace'} ${EDIT} B`
    const whole = `${size.name}, whole value`
    for (const inFlight of inFlights) {
      await bench.compare({
        inFlight,
        arms: { [edit]: ours(size, bench.ms), [whole]: wholeValue(size) },
        // Of the raw insert too: where that is not a hundred times as fast, nothing can be.
        more: (of) => {
          const against = ({ perSecond }) => ({ timesWhole: perSecond / of[whole].perSecond })
          return { [RAW]: against(of[RAW]), [edit]: against(of[edit]) }
        },
        named,
      })
    }
  }
}

/** All in flight edit one block, and go on to the next one together. */
function ours({ length, grows }, ms) {
  return async ({ url, inFlight }) => {
    const { writer, reads, close } = openWriter(url)
    const editsEach = grows ? Math.floor((length * GROWTH_SHARE) / EDIT) : Number.POSITIVE_INFINITY
    const perSecond = inFlight === 1 ? EDITS_A_SECOND_MAX / 4 : EDITS_A_SECOND_MAX
    const count = grows ? Math.ceil((((ms + 500) / 1000) * perSecond) / editsEach) : 1
    const blocks = []
    for (let n = 0; n < count; n++) blocks.push(await newBlock(writer, length))
    if (grows) await waitForSnapshots(reads, blocks)
    const unit = grows ? insertion : replacement
    let edits = 0
    return {
      operation() {
        const block = Math.min(Math.floor(edits++ / editsEach), blocks.length - 1)
        return submit(writer, unit(blocks[block]))
      },
      // The snapshots that are due belong to the edits.
      around: (run) => countingWal(url, run, () => writer.close()),
      close,
    }
  }
}

/** A long block starts in the state it stays in: with a snapshot, and the head without its text. */
async function waitForSnapshots(pool, blocks) {
  const end = performance.now() + SNAPSHOT_WAIT_MS + blocks.length * POLL_MS
  for (;;) {
    const { rows } = await pool.query(
      `select count(*)::int as missing from unnest($1::text[]) b(id)
        where not exists (select from snapshots s where s.stream_id = b.id)
           or exists (select from streams s where s.stream_id = b.id and s.value is not null)`,
      [blocks],
    )
    if (rows[0].missing === 0) return
    if (performance.now() > end) throw new Error(`${rows[0].missing} long blocks have no snapshot`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** The text is in the caller's hands already, which is more than it could hope for. */
function wholeValue({ length, grows }) {
  return async ({ url }) => {
    const pool = ownerPool(url)
    await pool.query(`
      drop table if exists whole_values;
      create table whole_values (id int primary key, version int not null, value text not null)`)
    const added = words(EDIT)
    const begin = words(length)
    let value = begin
    await pool.query('insert into whole_values values (0, 0, $1)', [value])
    return {
      operation() {
        if (!grows) value = words(EDIT) + begin.slice(EDIT)
        else value = value.length > length * (1 + GROWTH_SHARE) ? begin : value + added
        return pool.query({
          name: 'whole',
          text: 'update whole_values set value = $1, version = version + 1 where id = 0',
          values: [value],
        })
      },
      around: (run) => countingWal(url, run, async () => {}),
      close: () => pool.end(),
    }
  }
}

/** What the server wrote while it ran, for each edit. */
async function countingWal(url, run, settle) {
  const pool = ownerPool(url)
  try {
    const before = await position(pool)
    const figures = await run()
    await settle()
    return { ...figures, walBytes: ((await position(pool)) - before) / figures.done }
  } finally {
    await pool.end()
  }
}

async function position(pool) {
  const { rows } = await pool.query(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes`)
  return Number(rows[0].bytes)
}
