import type { BlockJudgement } from '#commands/block-judgement.js'
import { DraftedStates } from '#commands/drafted-states.js'
import { judgeEdits, type ToolReturnText } from '#commands/run-tool-step.js'
import type { Actor } from '#domain/actor.js'
import { type AgentState, createAgent, initialAgent } from '#domain/agent.js'
import { attach } from '#domain/attachment.js'
import { createBlock, decideBlock, type NewBlockSettings } from '#domain/block.js'
import type { BlockCommand } from '#domain/block-events.js'
import { type BlockState, initialBlock } from '#domain/block-state.js'
import type { Decided } from '#domain/event.js'
import { type Append, initialState } from '#domain/streams.js'
import type { States } from '#event-store/unit.js'
import { derivedId } from '#read-models/derived-id.js'
import { BUILTIN_TOOLS } from '#turns/builtin-tools.js'
import { type CallContext, prepareCall } from '#turns/tool-call.js'

const now = '2026-01-05T09:00:00.000Z'
const OPERATOR: Actor = { kind: 'user', id: 'operator' }

/** What a call came to: what was appended, how it was judged, and what its model reads. */
export interface RoomCall {
  readonly appends: readonly Append[]
  readonly judgements: readonly BlockJudgement[]
  readonly returned: ToolReturnText
}

/** Blocks and agents in memory: calls go the way of a turn, and only the writer is missing. */
export class ToolRoom {
  #states: DraftedStates = new DraftedStates(new Nothing(), { actor: OPERATOR, now })
  #calls = 0

  constructor(agents: readonly string[] = ['agent1', 'agent2']) {
    const tools = BUILTIN_TOOLS.map(({ name }) => ({ id: `tool-${name}`, name }))
    for (const name of agents) {
      const id = `agent-${name}`
      const settings = { name, system: '', model: 'openai/gpt-4o-mini' }
      const events = settled(createAgent(initialAgent(id), settings, tools))
      this.#states.add(events.map((event) => ({ streamId: id, event })))
    }
  }

  /** A block that every agent named is attached to. */
  block(
    value: string,
    settings: Partial<NewBlockSettings> = {},
    agents: readonly string[] = ['agent1', 'agent2'],
  ): string {
    const label = settings.label ?? 'notes'
    const id = `block-${label}`
    const created = settled(createBlock(initialBlock(id), value, { ...settings, label }))
    this.#states.add(created.events.map((event) => ({ streamId: id, event })))
    for (const name of agents) {
      this.#states.add(settled(attach(this.state(id), this.agent(name))))
    }
    return id
  }

  state(blockId: string): BlockState {
    return this.#states.block(blockId)
  }

  agent(name: string): AgentState {
    return this.#states.agent(`agent-${name}`)
  }

  /** An edit by somebody else. */
  edit(blockId: string, command: BlockCommand, by = 'agent2'): void {
    const actor = this.#actor(by)
    const state = this.state(blockId)
    const { events } = settled(decideBlock(state, command, { actor, baseVersion: state.version }))
    const drafted = new DraftedStates(this.#states, { actor, now })
    drafted.add(events.map((event) => ({ streamId: blockId, event })))
    this.#states = drafted
  }

  /** @param seen versions the model was shown, as in a turn; none: outside any turn. */
  async call(
    name: string,
    args: unknown,
    {
      as = 'agent1',
      seen = {},
      run = 'run-1',
    }: {
      readonly as?: string
      readonly seen?: Readonly<Record<string, number>>
      readonly run?: string
    } = {},
  ): Promise<RoomCall> {
    const call = ++this.#calls
    const newBlockId = (n: number) => derivedId('block', call, n)
    // Tools that edit look nothing up.
    const context = { newBlockId } as unknown as CallContext
    const made = { name, arguments: JSON.stringify(args) }
    const { edits, describe } = await prepareCall(made, this.agent(as), context)
    const by = { actor: this.#actor(as), now, correlation: { run_id: run } }
    if (edits.length === 0) return { appends: [], judgements: [], returned: describe([]) }
    const based = edits.map((edit) => ({ ...edit, baseVersion: seen[edit.blockId] ?? null }))
    const judged = judgeEdits(this.#states, based, by)
    if ('wanted' in judged) throw new Error('the room does not remember enough')
    const drafted = new DraftedStates(this.#states, by)
    drafted.add(judged.appends)
    this.#states = drafted
    return { ...judged, returned: describe(judged.judgements) }
  }

  #actor(name: string): Actor {
    return name === 'operator' ? OPERATOR : { kind: 'agent', id: `agent-${name}`, name }
  }
}

/** Streams in which nothing has happened yet. */
class Nothing implements States {
  has(): boolean {
    return true
  }
  block(id: string): BlockState {
    return initialState(id) as BlockState
  }
  agent(id: string): AgentState {
    return initialState(id) as AgentState
  }
  turn(id: string): never {
    throw new Error(`there is no turn ${id}`)
  }
}

function settled<T>(decided: Decided<T>): T {
  if (decided.ok) return decided.value
  throw new Error(`${decided.rejection.code}: ${decided.rejection.detail}`)
}
