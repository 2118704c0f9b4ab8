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
  readonly asked: Pick<Operation, 'kind' | 'edits' | 'atVersion'>
  readonly sent: Sent
  /** Of a read. */
  readonly block?: string
  /** True for what is only tried. */
  readonly isTrial?: true
}

export interface Choice {
  readonly random: Seeded
  /** Different ones. */
  readonly blocks: readonly [string, string]
  readonly agent: string
  readonly count: number
  /** The newest version of a block that anybody was told. */
  readonly seen: ReadonlyMap<string, number>
}

/** A change in the words of its route, and of a member of a batch. */
interface Wording {
  readonly word: 'insert' | 'replace' | 'rethink' | 'undo' | 'restore' | 'update'
  readonly body: object
  readonly change: BlockChange
}

const TRIAL_SHARE = 0.06
const WORDS = ['alpha', 'beta', 'gamma', 'aa', 'café', '😀']

/** Every word of the wire, with and without what its writer had seen. */
export function requestOf(choice: Choice): Request {
  const kind = choice.random()
  if (kind < 0.25) return read(choice)
  if (kind < 0.3) return attachment(choice)
  if (kind < 0.37) return batch(choice)
  return edit(choice)
}

function read({ random, blocks: [block], seen }: Choice): Request {
  const known = seen.get(block)
  const atVersion = known !== undefined && random() < 0.2 ? 1 + pick(random, known) : undefined
  const query = atVersion === undefined ? '' : `?at_version=${atVersion}`
  return {
    block,
    asked: { kind: 'read', edits: [], ...(atVersion === undefined ? {} : { atVersion }) },
    sent: { method: 'GET', path: `/v1/blocks/${block}${query}` },
  }
}

function attachment({ random, blocks: [blockId], agent: agentId }: Choice): Request {
  const attaches = random() < 0.5
  const change: BlockChange = attaches
    ? { type: 'AttachBlock', agentId, right: null }
    : { type: 'DetachBlock', agentId }
  const word = attaches ? 'attach' : 'detach'
  const path = `/v1/agents/${agentId}/core-memory/blocks/${word}/${blockId}`
  return { asked: { kind: 'edit', edits: [{ blockId, change }] }, sent: { method: 'PATCH', path } }
}

function edit(choice: Choice): Request {
  const [blockId] = choice.blocks
  const { word, body, change } = wording(choice, blockId)
  const { baseVersion, ifMatch } = sight(choice, blockId)
  const base = baseVersion === undefined ? {} : { base_version: baseVersion }
  const headers = ifMatch === undefined ? {} : { headers: { 'if-match': `"${ifMatch}"` } }
  const isTrial = choice.random() < TRIAL_SHARE
  const path = word === 'update' ? '' : `/${word}`
  const to = {
    method: word === 'update' ? 'PATCH' : 'POST',
    path: `/v1/blocks/${blockId}${path}${isTrial ? '?dry_run=true' : ''}`,
  }
  return {
    ...(isTrial ? { isTrial } : {}),
    asked: { kind: 'edit', edits: [editOf(blockId, change, { baseVersion, ifMatch })] },
    sent: { ...to, body: { ...body, ...base }, ...headers },
  }
}

/** Two changes of two blocks, in one commit. */
function batch(choice: Choice): Request {
  const members = choice.blocks.map((blockId) => {
    const { word, body, change } = wording(choice, blockId)
    const { baseVersion, ifMatch } = sight(choice, blockId)
    const base = baseVersion === undefined ? {} : { base_version: baseVersion }
    const match = ifMatch === undefined ? {} : { if_match: ifMatch }
    const sent = { type: word, block_id: blockId, ...body, ...base, ...match }
    return { sent, edit: editOf(blockId, change, { baseVersion, ifMatch }) }
  })
  const body = { atomic: true, commands: members.map(({ sent }) => sent) }
  return {
    asked: { kind: 'batch', edits: members.map((member) => member.edit) },
    sent: { method: 'POST', path: '/v1/commands', body },
  }
}

interface Sight {
  readonly baseVersion?: number | undefined
  readonly ifMatch?: number | undefined
}

function editOf(blockId: string, change: BlockChange, { baseVersion, ifMatch }: Sight): Edit {
  const base = baseVersion === undefined ? {} : { baseVersion }
  return { blockId, change, ...base, ...(ifMatch === undefined ? {} : { ifMatch }) }
}

/** A base version, an `If-Match`, or neither. */
function sight({ random, seen }: Choice, block: string): Sight {
  const known = seen.get(block)
  const chance = random()
  if (known === undefined || chance < 0.4) return {}
  return chance < 0.5 ? { ifMatch: known } : { baseVersion: baseOf(random, known) }
}

/** Mostly fresh, sometimes old, and now and then what nobody can have seen. */
function baseOf(random: Seeded, known: number): number {
  const chance = random()
  if (chance < 0.03) return 0
  if (chance > 0.98) return known + 1_000
  return Math.max(1, known - pick(random, chance < 0.9 ? 5 : 200))
}

function wording(choice: Choice, block: string): Wording {
  const { random, seen, count } = choice
  const kind = random()
  if (kind < 0.4) return insertion(choice)
  if (kind < 0.65) {
    const [old, to] = [word(random), word(random)]
    const all = random() < 0.1
    const body = { old_string: old, new_string: to, all }
    return {
      word: 'replace',
      body,
      change: { type: 'ReplaceText', old, new: to, all, numbered: true },
    }
  }
  if (kind < 0.8) {
    const new_memory = `${text(choice)}\n${text(choice)}`
    const change: BlockChange = { type: 'RethinkBlock', text: new_memory, numbered: true }
    return { word: 'rethink', body: { new_memory }, change }
  }
  const known = seen.get(block) ?? 1
  const version = random() < 0.8 ? Math.max(1, known - pick(random, 6)) : 1 + pick(random, known)
  if (kind < 0.88)
    return { word: 'undo', body: { version }, change: { type: 'RevertEdit', version } }
  if (kind < 0.92) {
    // The judge knows the text of every version.
    return {
      word: 'restore',
      body: { version },
      change: { type: 'RestoreBlock', version, text: '' },
    }
  }
  const value = random() < 0.5 ? { value: text(choice) } : {}
  const described = { description: `described ${count}` }
  const settings = random() < 0.8 ? described : { limit: 2_000 + pick(random, 4_000) }
  return {
    word: 'update',
    body: { ...value, ...settings },
    change: { type: 'PatchBlock', ...value, settings },
  }
}

function insertion(choice: Choice): Wording {
  const { random } = choice
  const chance = random()
  const unique = random() < 0.1
  const new_string = unique ? word(random) : text(choice)
  const inserted = { type: 'InsertText', text: new_string, unique, numbered: true } as const
  const body = { new_string, ...(unique ? { unique_line: true } : {}) }
  if (chance < 0.55) return { word: 'insert', body, change: { ...inserted, place: { at: 'end' } } }
  if (chance < 0.85) {
    const line = pick(random, 6)
    const change: BlockChange = { ...inserted, place: { at: 'line', line } }
    return { word: 'insert', body: { ...body, insert_line: line }, change }
  }
  const after = word(random)
  const change: BlockChange = { ...inserted, place: { at: 'after', anchor: after } }
  return { word: 'insert', body: { ...body, after }, change }
}

function text(choice: Choice): string {
  return `${word(choice.random)} ${word(choice.random)} ${choice.count}`
}

function word(random: Seeded): string {
  return WORDS[pick(random, WORDS.length)] as string
}
