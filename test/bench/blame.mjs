// Who wrote what, of a block of 4,000 characters after 1,000 events: folded from the first of them, and from
// what is kept of it, against reading the block, in turns.

import { decideBlock } from '../../dist/libs/domain/block.js'
import { createDatabase } from '../../dist/libs/postgres/database.js'
import { Blames } from '../../dist/libs/read-models/blame.js'
import { blockById } from '../../dist/libs/read-models/blocks.js'
import { newBlock, openWriter, submit, TENANT } from './blocks.mjs'
import { spread } from './load.mjs'
import { random, words } from './words.mjs'

const LENGTH = 4_000
const EVENTS = 1_000
/** Characters of an edit. */
const PIECE = 20
const READS = 300
const WARM_UP = 30

const actor = { kind: 'user', id: 'bench' }
const ALL = { from: 0, limit: 1_000 }

export async function blame(bench) {
  const { writer, reads, close } = openWriter(bench.url)
  const db = createDatabase(reads)
  try {
    const blockId = await newBlock(writer, LENGTH)
    for (let n = 1; n < EVENTS; n++) await submit(writer, replaced(blockId))
    const kept = new Blames(reads)
    const told = await kept.page(TENANT, blockId, undefined, ALL)
    if (told.version !== EVENTS) throw new Error(`the block is at version ${told.version}`)
    bench.report.remark(`${told.spans.length} spans`)
    const rows = await inTurns({
      'read the block': () => blockById({ db, pool: reads }, TENANT, blockId),
      'blame, from the first event': () => new Blames(reads).page(TENANT, blockId, undefined, ALL),
      'blame, kept': () => kept.page(TENANT, blockId, undefined, ALL),
    })
    const plain = rows['read the block'].p50
    for (const [name, figures] of Object.entries(rows)) {
      bench.add({ name: `${name}, 1,000 events`, ...figures, timesPlain: figures.p50 / plain })
    }
  } finally {
    await close()
  }
}

/** Some characters anywhere in the text by as many others. */
function replaced(blockId) {
  return {
    tenantId: TENANT,
    streams: [blockId],
    actor,
    decide(states) {
      const block = states.block(blockId)
      const at = random(LENGTH - PIECE)
      const old = block.value.slice(at, at + PIECE)
      const command = { type: 'ReplaceText', old, new: words(PIECE), all: true, numbered: false }
      const decided = decideBlock(block, command, { actor, baseVersion: null })
      if (!decided.ok) return { rejection: decided.rejection }
      const appends = decided.value.events.map((event) => ({ streamId: blockId, event }))
      return { appends, result: null }
    },
  }
}

/** Each in turn, so that a slow moment slows all of them. */
async function inTurns(operations) {
  const latencies = Object.fromEntries(Object.keys(operations).map((name) => [name, []]))
  for (let n = -WARM_UP; n < READS; n++) {
    for (const [name, operation] of Object.entries(operations)) {
      const started = performance.now()
      await operation()
      if (n >= 0) latencies[name].push(performance.now() - started)
    }
  }
  return Object.fromEntries(Object.entries(latencies).map(([name, all]) => [name, spread(all)]))
}
