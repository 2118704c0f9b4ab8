import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import type { BlockCommand, BlockPolicies, RethinkReceipt } from '#domain/block-events.js'
import { type BlockState, isEdit } from '#domain/block-state.js'
import { foldStream } from '#event-store/stream-reader.js'
import type { Writer } from '#event-store/writer.js'
import { blockAtVersion } from '#read-models/block-at.js'
import type { LogEvent } from '../judge/record.mjs'
import { judgedLog } from './judged-log.js'
import { openLog, type TestLog, tenantId } from './log.js'
import { pick, type Seeded } from './seeded.js'

const WRITERS = 2
const LIMIT = 10_000_000

export interface Turns {
  readonly random: Seeded
  readonly agents: number
  readonly inserts: number
  /** What passes at most between what an agent reads and what it writes. */
  readonly turnMsMax: number
  /** `snapshot`: the agent writes back the text it has read, with its line at the end. */
  readonly habit: 'insert' | 'snapshot'
}

/** Agents that read a block, think, and add a line: how many of their lines are there in the end. */
export async function overlappingTurns(
  turns: Turns,
): Promise<{ present: number; rejected: number }> {
  const log = await openLog()
  try {
    const writers = Array.from({ length: WRITERS }, () => log.openWriter())
    const blockId = await log.createBlock(writers[0] as Writer, 'Notes', LIMIT)
    let rejected = 0
    const agent = async (name: number): Promise<void> => {
      const writer = writers[name % WRITERS] as Writer
      for (let i = 0; i < turns.inserts; i++) {
        const { value, version } = await read(log.reads, blockId)
        await sleep(turns.random() * turns.turnMsMax)
        const line = `agent ${name} line ${i}.`
        const command = turns.habit === 'insert' ? insertion(line) : rewrite(`${value}\n${line}`)
        const base = turns.habit === 'insert' ? version : null
        if (!(await change(writer, blockId, command, base)).ok) rejected += 1
      }
    }
    await Promise.all(Array.from({ length: turns.agents }, (_, name) => agent(name)))
    const lines = new Set((await log.valueOf(blockId)).split('\n'))
    return { present: lines.size - 1, rejected }
  } finally {
    await log.close()
  }
}

export interface Races {
  readonly random: Seeded
  readonly races: number
  /** False: the writers do not say what they had seen, and the last one wins. */
  readonly tells: boolean
}

export interface RacesReport {
  readonly rethinks: number
  readonly refused: number
  /** Changes a rethink wiped out that its writer had not seen and that its receipt does not name. */
  readonly silent: number
  /** Edits whose text is not in the block as it was after them. */
  readonly unrecoverable: number
}

const RACING_BLOCKS = 32
const RACERS = 3
const POLICIES = ['overwrite', 'preserve', 'guard', 'merge'] as const
/** Versions that are also read as a client would read them. */
const READ_SHARE = 0.02

/** Writers that have read the same version of a block and all write at once. */
export async function rethinkRaces({ random, races, tells }: Races): Promise<RacesReport> {
  const log = await openLog()
  try {
    const writers = Array.from({ length: WRITERS }, () => log.openWriter())
    const blocks = await Promise.all(
      Array.from({ length: RACING_BLOCKS }, (_, i) =>
        racingBlock(
          writers[i % WRITERS] as Writer,
          tells ? POLICIES[i % POLICIES.length] : 'overwrite',
        ),
      ),
    )
    const written: Written[] = []
    let refused = 0
    let count = 0
    const course = async (blockId: string): Promise<void> => {
      while (count < races) {
        const race = count++
        const { version } = await read(log.reads, blockId)
        const racers = Array.from({ length: RACERS }, async (_, racer) => {
          const text = `race ${race} racer ${racer}.`
          const command = racer === 0 && random() < 0.5 ? insertion(text) : rewrite(text)
          const writer = writers[pick(random, WRITERS)] as Writer
          const outcome = await change(writer, blockId, command, tells ? version : null)
          if (!outcome.ok) refused += 1
          else if (outcome.value.changed) {
            written.push({ blockId, text, seen: version, version: outcome.value.version })
          }
        })
        await Promise.all(racers)
      }
    }
    await Promise.all(blocks.map(course))
    return { refused, ...(await report(log, written, random)) }
  } finally {
    await log.close()
  }
}

interface Written {
  readonly blockId: string
  readonly text: string
  readonly seen: number
  readonly version: number
}

async function report(
  log: TestLog,
  written: readonly Written[],
  random: Seeded,
): Promise<Omit<RacesReport, 'refused'>> {
  const { events } = await judgedLog(log.reads, 0, [])
  const byBlock = new Map<string, LogEvent[]>()
  for (const event of events) {
    const those = byBlock.get(event.stream)
    if (those) those.push(event)
    else byBlock.set(event.stream, [event])
  }
  let rethinks = 0
  let silent = 0
  let unrecoverable = 0
  for (const { blockId, text, seen, version } of written) {
    const own = byBlock.get(blockId) as LogEvent[]
    const event = own[version - 1] as LogEvent
    if (random() < READ_SHARE) {
      const at = await blockAtVersion(log.reads, tenantId, blockId, version)
      if (!at || !('block' in at) || !at.block.value.includes(text)) unrecoverable += 1
    } else if (!event.payload.intent.text.includes(text)) unrecoverable += 1
    if (event.type !== 'BlockRethought') continue
    rethinks += 1
    silent += unnamed(own.slice(seen, version - 1), event.payload.receipt)
  }
  return { rethinks, silent, unrecoverable }
}

/** What is neither said to be overwritten, nor kept, nor merged. */
function unnamed(between: readonly LogEvent[], receipt: RethinkReceipt): number {
  if (receipt.merged) return 0
  const named = new Set([...receipt.overwrote, ...(receipt.kept ?? [])].map((one) => one.version))
  const edits = between.filter((event) => isEdit(event as never))
  return edits.filter(({ version }) => !named.has(version)).length
}

async function racingBlock(writer: Writer, rethink: BlockPolicies['rethink'] = 'overwrite') {
  const id = `block-${crypto.randomUUID()}`
  const settings = { label: 'race', limit: LIMIT, policies: { rethink } }
  const create = { type: 'CreateBlock', value: 'start', settings } as const
  const outcome = await new ChangeBlockHandler(writer).execute(
    new ChangeBlock(id, create, by(null)),
  )
  if (!outcome.ok) throw new Error(outcome.rejection.detail)
  return id
}

function change(writer: Writer, blockId: string, command: BlockCommand, base: number | null) {
  return new ChangeBlockHandler(writer).execute(new ChangeBlock(blockId, command, by(base)))
}

function by(baseVersion: number | null) {
  return { tenantId, actor: { kind: 'user', id: 'local' }, baseVersion } as const
}

async function read(pool: Pool, blockId: string): Promise<BlockState> {
  return (await foldStream(pool, tenantId, blockId)).state as BlockState
}

function insertion(text: string): BlockCommand {
  return { type: 'InsertText', text, place: { at: 'end' }, numbered: true }
}

function rewrite(text: string): BlockCommand {
  return { type: 'RethinkBlock', text, numbered: true }
}
