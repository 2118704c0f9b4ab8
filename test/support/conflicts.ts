import type { NewBlockSettings } from '#domain/block.js'
import type { BlockCommand } from '#domain/block-events.js'
import { insertion, replacement, rewriting } from './notes-room.js'
import { pick, type Seeded } from './seeded.js'
import { ToolRoom } from './tool-room.js'

export interface MadeCall {
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
}

/** What an agent wants of a text: a fact to be so, or a line to be there, below another one if it says so. */
export type Goal =
  | { readonly kind: 'set'; readonly key: string; readonly from: string; readonly to: string }
  | { readonly kind: 'add'; readonly line: string; readonly below: string | null }

/** A block, what an agent saw of it and wants, and the call it makes although others were there meanwhile. */
export interface Conflict {
  readonly kind: string
  readonly room: ToolRoom
  readonly blockId: string
  readonly seen: number | null
  readonly known: string
  readonly goal: Goal
  readonly call: MadeCall
  /** Lines of others that must still stand when all is done. */
  readonly theirs: readonly string[]
}

const WORDS = [
  'amber',
  'birch',
  'cedar',
  'delta',
  'ember',
  'fjord',
  'grove',
  'heron',
  '湖',
  '\u{1f642}',
]

interface Plan {
  readonly settings?: Partial<NewBlockSettings>
  readonly meanwhile?: readonly BlockCommand[]
  readonly call: MadeCall
  readonly goal?: Goal
  readonly theirs?: readonly string[]
  readonly blind?: true
}

/** What the plans are made from: lines `fact 3: …`, one of which the agent means. */
interface Facts {
  readonly random: Seeded
  readonly lines: readonly string[]
  readonly n: number
  readonly key: string
  readonly from: string
  readonly to: string
}

const replace = (old_string: string, new_string: string): MadeCall => ({
  tool: 'memory_replace',
  args: { label: 'notes', old_string, new_string },
})
const insert = (new_string: string, insert_line?: number): MadeCall => ({
  tool: 'memory_insert',
  args: { label: 'notes', new_string, ...(insert_line === undefined ? {} : { insert_line }) },
})
const rethink = (new_memory: string): MadeCall => ({
  tool: 'memory_rethink',
  args: { label: 'notes', new_memory },
})

/** The text with the fact as the agent wants it. */
const wanted = ({ lines, n, key, to }: Facts): string => lines.with(n, `${key}: ${to}`).join('\n')
/** The lines in another order: as a rule the first few go to the end, sometimes half of them. */
function turned(random: Seeded, lines: readonly string[]): readonly string[] {
  const half = random() < 0.1 && lines.length < 100
  const count = half ? Math.floor(lines.length / 2) : 1 + pick(random, 3)
  return [...lines.slice(count), ...lines.slice(0, count)]
}
/** The text as somebody else has rewritten it: the fact differs, and the order. */
const rewritten = ({ random, lines, n, key }: Facts): string =>
  turned(random, lines.with(n, `${key}: theirs`)).join('\n')
/** The text in another order; the line the agent means is there still, and not the last. */
const shuffled = ({ random, lines }: Facts): string =>
  [...turned(random, lines), 'the end'].join('\n')

const changed = ({ lines, n, key }: Facts): BlockCommand =>
  replacement(lines[n] as string, `${key}: theirs`)
const lineBelow = ({ lines, n }: Facts): Goal => ({
  kind: 'add',
  line: 'my own line',
  below: lines[n] as string,
})
const THEIR_LINE = 'a line of theirs'

const KINDS: Readonly<Record<string, (facts: Facts) => Plan>> = {
  'replace gone': (f) => ({
    meanwhile: [insertion(THEIR_LINE, 0), changed(f)],
    call: replace(`${f.key}: ${f.from}`, `${f.key}: ${f.to}`),
    theirs: [THEIR_LINE],
  }),
  'replace gone by a rewrite': (f) => ({
    meanwhile: [rewriting(rewritten(f))],
    call: replace(`${f.key}: ${f.from}`, `${f.key}: ${f.to}`),
  }),
  'classic replace gone': (f) => ({
    meanwhile: [changed(f)],
    call: {
      tool: 'core_memory_replace',
      args: {
        label: 'notes',
        old_content: `${f.key}: ${f.from}`,
        new_content: `${f.key}: ${f.to}`,
      },
    },
  }),
  'replace ambiguous': (f) => ({
    meanwhile: [insertion(`note: ${f.from}`), insertion(`more: ${f.from}`, 0)],
    call: replace(f.from, f.to),
    theirs: [`note: ${f.from}`, `more: ${f.from}`],
    blind: true,
  }),
  'replace relocated': (f) => ({
    meanwhile: [changed(f), insertion(`note: ${f.from}`)],
    call: replace(f.from, f.to),
    theirs: [`note: ${f.from}`],
  }),
  'strict words moved': (f) => ({
    settings: { policies: { replace: 'strict' } },
    meanwhile: [changed(f), replacement(`${f.key}: theirs`, `${f.key}: ${f.from}`)],
    call: replace(`${f.key}: ${f.from}`, `${f.key}: ${f.to}`),
  }),
  'patch gone': (f) => ({
    meanwhile: [changed(f)],
    call: {
      tool: 'memory_apply_patch',
      args: { label: 'notes', patch: `-${f.key}: ${f.from}\n+${f.key}: ${f.to}` },
    },
  }),
  'line numbers copied': (f) => ({
    call: replace(`${f.n + 1}→ ${f.key}: ${f.from}`, `${f.key}: ${f.to}`),
  }),
  guard: (f) => ({
    settings: { policies: { rethink: 'guard' } },
    meanwhile: [insertion(THEIR_LINE, pick(f.random, f.lines.length))],
    call: rethink(wanted(f)),
    theirs: [THEIR_LINE],
  }),
  'guard, nothing seen': (f) => ({
    settings: { policies: { rethink: 'guard' } },
    meanwhile: [insertion(THEIR_LINE)],
    call: rethink(wanted(f)),
    theirs: [THEIR_LINE],
    blind: true,
  }),
  'preserve, rewritten': (f) => ({
    settings: { policies: { rethink: 'preserve' } },
    meanwhile: [rewriting(`${rewritten(f)}\n${THEIR_LINE}`)],
    call: rethink(wanted(f)),
    theirs: [THEIR_LINE],
  }),
  'merge conflict': (f) => ({
    settings: { policies: { rethink: 'merge' } },
    meanwhile: [changed(f), insertion(THEIR_LINE)],
    call: rethink(wanted(f)),
    theirs: [THEIR_LINE],
  }),
  overwrote: (f) => ({
    meanwhile: [insertion(THEIR_LINE)],
    call: rethink(wanted(f)),
    theirs: [THEIR_LINE],
  }),
  'anchor lost, to the end': (f) => ({
    meanwhile: [rewriting(shuffled(f))],
    call: insert('my own line', f.n + 1),
    goal: lineBelow(f),
  }),
  'anchor lost, refused': (f) => ({
    settings: { policies: { anchor_lost: 'reject' } },
    meanwhile: [rewriting(shuffled(f))],
    call: insert('my own line', f.n + 1),
    goal: lineBelow(f),
  }),
  'stale line': (f) => ({
    call: insert('my own line', f.lines.length + 1 + pick(f.random, 20)),
    goal: { kind: 'add', line: 'my own line', below: null },
  }),
  limit: (f) => {
    const room = 8 + pick(f.random, 40)
    const line = `mine ${'and more '.repeat(8)}end`
    return {
      settings: { limit: [...f.lines.join('\n')].length + room },
      call: insert(line),
      goal: { kind: 'add', line, below: null },
    }
  },
  'label taken': () => ({
    call: {
      tool: 'memory',
      args: { command: 'create', path: 'notes', description: 'd', file_text: 'my own line' },
    },
    goal: { kind: 'add', line: 'my own line', below: null },
  }),
}

const KIND_NAMES = Object.keys(KINDS)

/** One conflict of every kind in turn; one in eight over a text that is too long to be shown whole. */
export function conflict(i: number, random: Seeded): Conflict {
  const kind = KIND_NAMES[i % KIND_NAMES.length] as string
  const count = random() < 0.125 ? 220 + pick(random, 80) : 4 + pick(random, 24)
  const word = (): string => WORDS[pick(random, WORDS.length)] as string
  const lines = Array.from({ length: count }, (_, line) => `fact ${line + 1}: ${word()} ${word()}`)
  const n = pick(random, count - 1)
  const key = `fact ${n + 1}`
  const from = `meant ${word()}`
  const to = `mended ${word()}`
  lines[n] = `${key}: ${from}`
  const set = { kind: 'set', key, from, to } as const
  const plan = (KINDS[kind] as (facts: Facts) => Plan)({ random, lines, n, key, from, to })
  const room = new ToolRoom()
  const known = lines.join('\n')
  const blockId = room.block(known, plan.settings)
  const { version } = room.state(blockId)
  for (const command of plan.meanwhile ?? []) room.edit(blockId, command)
  const { call, goal = set, theirs = [], blind } = plan
  return { kind, room, blockId, seen: blind ? null : version, known, goal, call, theirs }
}

/** What an agent wanted stands there, and nothing of others is lost. */
export function isSolved({ kind, room, blockId, goal, theirs }: Conflict): boolean {
  const lines = room.state(blockId).value.split('\n')
  if (!theirs.every((line) => lines.filter((one) => one === line).length === 1)) return false
  // The words stood somewhere else by then: to leave that place as it was is all that can be done.
  if (kind === 'replace relocated') return true
  if (goal.kind === 'set') {
    const there = lines.filter((line) => line.startsWith(`${goal.key}: `))
    return there.length === 1 && there[0] === `${goal.key}: ${goal.to}`
  }
  const isMine = (line: string): boolean =>
    kind === 'limit' ? line.startsWith('mine') && goal.line.startsWith(line) : line === goal.line
  const at = lines.findIndex(isMine)
  if (at < 0 || lines.filter(isMine).length > 1) return false
  return goal.below === null || !lines.includes(goal.below) || lines[at - 1] === goal.below
}
