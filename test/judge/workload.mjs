// What clients ask of a simulated service: every word, stale and fresh, with and without what they had seen.
import { oneOf, pick } from './random.mjs'
import { AGENTS, BLOCKS, NEW_BLOCK, runOf, TOOL_CALLS } from './world.mjs'

const WORDS = [
  'one',
  'two',
  'aa',
  '😀',
  'b',
  'café',
  'red',
  'cafe\u0301',
  'a\tb',
  '$&',
  'left $& right',
]
const LINES = ['one', 'two 😀', 'x\ty', 'cafe\u0301 noir', 'aaa', 'red $& blue', '😀😀 tail']

/** @typedef {import('./random.mjs').Seeded} Seeded */

/** One who asks, one thing after another; an agent also through its turn's tools. */
export class Client {
  /** The versions it knows. */
  seen = new Map()
  /** What it asked and was answered, to be asked again. */
  answered = []
  epoch = 1
  #count = 0

  /**
   * @param {string} name
   * @param {Seeded} random
   */
  constructor(name, random) {
    this.name = name
    this.random = random
    this.agentId = AGENTS.includes(name) ? name : null
    this.actor = this.agentId ? { kind: 'agent', id: name } : { kind: 'user', id: name }
  }

  /**
   * @param {(block: string, version: number) => string} textAt
   * @returns {Omit<import('./record.mjs').Operation, 't_invoke' | 't_return' | 'outcome'>}
   */
  next(textAt) {
    const { random } = this
    const kind = random()
    if (this.agentId && kind < 0.06) return this.#asked('claim', [], { agentId: this.agentId })
    if (this.agentId && kind < 0.3) return this.#tool(textAt)
    if (kind < 0.42) return this.#read()
    if (kind < 0.5) return this.#again()
    if (kind < 0.6)
      return this.#asked(
        'batch',
        BLOCKS.map((id) => this.#edit(id, textAt)),
      )
    if (!this.agentId && kind < 0.7) return this.#asked('edit', [this.#attachment()])
    return this.#asked('edit', [this.#edit(oneOf(random, BLOCKS), textAt)])
  }

  #asked(kind, edits, more = {}) {
    const op_id = `${this.name}-${++this.#count}`
    return { op_id, command: op_id, process: this.name, kind, edits, actor: this.actor, ...more }
  }

  #tool(textAt) {
    const edit = this.#edit(oneOf(this.random, BLOCKS), textAt)
    // An agent's tool detaches as well; it attaches nothing.
    const index = pick(this.random, TOOL_CALLS)
    const agentId = /** @type {string} */ (this.agentId)
    const tool = {
      runId: runOf(agentId),
      agentId,
      epoch: this.epoch,
      step: 1,
      index,
      toolCallId: `call-${index}`,
    }
    return this.#asked('tool', [edit], { tool })
  }

  #read() {
    const { random } = this
    const block = oneOf(random, BLOCKS)
    const version = this.seen.get(block)
    const past = version !== undefined && random() < 0.2
    const asked = this.#asked('read', [], past ? { atVersion: 1 + pick(random, version) } : {})
    return { ...asked, blocks: past || random() < 0.5 ? [block] : BLOCKS }
  }

  /** The same once more, or something else under the same id. */
  #again() {
    const { random } = this
    const before = this.answered.length > 0 ? oneOf(random, this.answered) : null
    if (!before) return this.#read()
    const op_id = `${this.name}-${++this.#count}`
    if (random() < 0.7) return { ...before, op_id }
    const change = {
      type: 'InsertText',
      text: `other ${op_id}`,
      place: { at: 'end' },
      numbered: false,
    }
    return {
      ...before,
      op_id,
      kind: 'edit',
      tool: undefined,
      edits: [{ blockId: BLOCKS[0], change }],
    }
  }

  #edit(blockId, textAt) {
    const { random } = this
    const known = this.seen.get(blockId)
    const change = this.#change(blockId, textAt)
    const chance = random()
    if (known === undefined || chance < 0.3) return { blockId, change }
    if (chance < 0.38) return { blockId, change, ifMatch: known }
    const baseVersion = chance < 0.75 ? known : 1 + pick(random, known)
    return { blockId, change, baseVersion }
  }

  #change(blockId, textAt) {
    const { random } = this
    const kind = random()
    if (kind < 0.34) return this.#insertion()
    if (kind < 0.58) {
      const replacement = random() < 0.15 ? `${oneOf(random, WORDS)} $& more` : oneOf(random, WORDS)
      const old = oneOf(random, WORDS)
      return { type: 'ReplaceText', old, new: replacement, all: random() < 0.1, numbered: false }
    }
    if (kind < 0.76) {
      return {
        type: 'RethinkBlock',
        text: `${oneOf(random, LINES)}\n${this.#line()}`,
        numbered: false,
      }
    }
    const known = this.seen.get(blockId) ?? 1
    const version = 1 + pick(random, known)
    if (kind < 0.86) return { type: 'RevertEdit', version }
    if (kind < 0.92) return { type: 'RestoreBlock', version, text: textAt(blockId, version) }
    return { type: 'PatchBlock', ...this.#patch() }
  }

  #insertion() {
    const { random } = this
    const chance = random()
    const anchored = { at: 'after', anchor: oneOf(random, LINES) }
    const place =
      chance < 0.5
        ? { at: 'end' }
        : chance < 0.85
          ? { at: 'line', line: pick(random, 4) }
          : anchored
    const unique = random() < 0.1
    return {
      type: 'InsertText',
      text: unique ? 'one' : this.#line(),
      place,
      unique,
      numbered: false,
    }
  }

  #line() {
    return `${oneOf(this.random, LINES)} ${this.name}${this.#count}`
  }

  #patch() {
    const { random } = this
    const chance = random()
    if (chance < 0.4) return { settings: { read_only: random() < 0.4 } }
    if (chance < 0.6) return { settings: { label: oneOf(random, BLOCKS) } }
    if (chance < 0.8) return { value: this.#line(), settings: { description: this.#line() } }
    return { settings: { limit: 60 + pick(random, 60) } }
  }

  #attachment() {
    const { random } = this
    const agentId = oneOf(random, AGENTS)
    const chance = random()
    const blockId = chance < 0.2 ? NEW_BLOCK : oneOf(random, BLOCKS)
    if (chance < 0.1) {
      return {
        blockId,
        change: { type: 'CreateBlock', value: 'new', settings: { label: oneOf(random, BLOCKS) } },
      }
    }
    if (chance > 0.97) return { blockId, change: { type: 'DeleteBlock', reason: null } }
    if (random() < 0.5) return { blockId, change: { type: 'DetachBlock', agentId } }
    const right = random() < 0.3 ? oneOf(random, ['read', 'insert', 'edit']) : null
    return { blockId, change: { type: 'AttachBlock', agentId, right } }
  }
}
