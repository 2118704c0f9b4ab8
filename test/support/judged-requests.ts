import type { BlockChange } from '#commands/block-change.js'
import type { Edit, Operation } from '../judge/record.mjs'
import { pick, type Seeded } from './seeded.js'

/** A request over HTTP. */
export interface Sent {
  readonly method: string
  readonly path: string
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
}

/** What is asked, for the judge and for the wire. */
export interface Request {
  readonly blockId: string
  readonly asked: Pick<Operation, 'kind' | 'edits' | 'atVersion'>
  readonly sent: Sent
  /** False for what answers with something else than the block. */
  readonly tellsVersion: boolean
}

export interface Choice {
  readonly random: Seeded
  readonly block: string
  readonly agent: string
  readonly count: number
  /** The newest version of the block that anybody was told. */
  readonly seen: number | null
}

const WORDS = ['alpha', 'beta', 'gamma', 'aa', 'café', '😀']
const READ_SHARE = 0.25

/** Every word of the wire, with and without what its writer had seen. */
export function requestOf(choice: Choice): Request {
  const kind = choice.random()
  if (kind < READ_SHARE) return read(choice)
  if (kind < 0.3) return attachment(choice)
  if (kind < 0.37) return patch(choice)
  return edit(choice)
}

function read({ random, block, seen }: Choice): Request {
  const atVersion = seen !== null && random() < 0.2 ? 1 + pick(random, seen) : undefined
  const query = atVersion === undefined ? '' : `?at_version=${atVersion}`
  return {
    blockId: block,
    asked: { kind: 'read', edits: [], ...(atVersion === undefined ? {} : { atVersion }) },
    sent: { method: 'GET', path: `/v1/blocks/${block}${query}` },
    tellsVersion: true,
  }
}

function attachment({ random, block, agent }: Choice): Request {
  const attaches = random() < 0.5
  const change: BlockChange = attaches
    ? { type: 'AttachBlock', agentId: agent, right: null }
    : { type: 'DetachBlock', agentId: agent }
  const path = `/v1/agents/${agent}/core-memory/blocks/${attaches ? 'attach' : 'detach'}/${block}`
  return {
    blockId: block,
    asked: { kind: 'edit', edits: [{ blockId: block, change }] },
    sent: { method: 'PATCH', path },
    tellsVersion: false,
  }
}

function patch(choice: Choice): Request {
  const { random, block, count } = choice
  const description = `described ${count}`
  const value = random() < 0.5 ? text(choice) : undefined
  const settings = random() < 0.8 ? { description } : { limit: 2_000 + pick(random, 4_000) }
  const change: BlockChange = {
    type: 'PatchBlock',
    ...(value === undefined ? {} : { value }),
    settings,
  }
  const body = { ...(value === undefined ? {} : { value }), ...settings }
  return written(choice, change, { method: 'PATCH', path: `/v1/blocks/${block}` }, body)
}

function edit(choice: Choice): Request {
  const { random, block } = choice
  const kind = random()
  const post = (word: string) => ({ method: 'POST', path: `/v1/blocks/${block}/${word}` })
  if (kind < 0.5) {
    const line = random() < 0.6 ? -1 : pick(random, 6)
    const place = line < 0 ? ({ at: 'end' } as const) : ({ at: 'line', line } as const)
    const new_string = text(choice)
    const change: BlockChange = { type: 'InsertText', text: new_string, place, numbered: true }
    return written(choice, change, post('insert'), { new_string, insert_line: line })
  }
  if (kind < 0.8) {
    const [old, replacement] = [word(random), word(random)]
    const all = random() < 0.1
    const change: BlockChange = {
      type: 'ReplaceText',
      old,
      new: replacement,
      all,
      numbered: true,
    }
    const body = { old_string: old, new_string: replacement, all }
    return written(choice, change, post('replace'), body)
  }
  const new_memory = `${text(choice)}\n${text(choice)}`
  const change: BlockChange = { type: 'RethinkBlock', text: new_memory, numbered: true }
  return written(choice, change, post('rethink'), { new_memory })
}

/** With a base version, an `If-Match`, or neither. */
function written(
  { random, block, seen }: Choice,
  change: BlockChange,
  to: Pick<Sent, 'method' | 'path'>,
  body: object,
): Request {
  const edit: Edit = { blockId: block, change }
  const chance = random()
  const asked = { kind: 'edit', edits: [edit] } as const
  const plain = { blockId: block, asked, sent: { ...to, body }, tellsVersion: true }
  if (seen === null || chance < 0.4) return plain
  if (chance < 0.5) {
    const sent = { ...to, body, headers: { 'if-match': `"${seen}"` } }
    return { ...plain, asked: { ...asked, edits: [{ ...edit, ifMatch: seen }] }, sent }
  }
  const baseVersion = baseOf(random, seen)
  const sent = { ...to, body: { ...body, base_version: baseVersion } }
  return { ...plain, asked: { ...asked, edits: [{ ...edit, baseVersion }] }, sent }
}

/** Mostly fresh, sometimes old, and now and then what nobody can have seen. */
function baseOf(random: Seeded, seen: number): number {
  const chance = random()
  if (chance < 0.03) return 0
  if (chance > 0.98) return seen + 1_000
  return Math.max(1, seen - pick(random, chance < 0.9 ? 5 : 200))
}

function text(choice: Choice): string {
  return `${word(choice.random)} ${word(choice.random)} ${choice.count}`
}

function word(random: Seeded): string {
  return WORDS[pick(random, WORDS.length)] as string
}
