import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  acceptedOf,
  agentOf,
  appended,
  blockOf,
  by,
  codeOf,
  patch,
} from '../../test/support/attachments.js'
import { blind, user } from '../../test/support/block-commands.js'
import { type AgentState } from './agent.js'
import { attach, deleteAgent, deleteBlock, detach, patchBlock } from './attachment.js'
import type { Right } from './block-events.js'
import type { BlockState } from './block-state.js'
import { draft } from './draft.js'
import type { Decided } from './event.js'
import { type AnyState, type Append, initialState } from './streams.js'

describe('any interleaving of attach, detach, rename, change of right and deletion', () => {
  const number = fc.integer({ min: 1, max: 4 })
  const label = fc.constantFrom('a', 'b', 'c')
  const right = fc.constantFrom<(Right | null)[]>(null, 'read', 'insert', 'edit')
  const command = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('attach' as const),
        block: number,
        agent: number,
        right,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('detach' as const), block: number, agent: number }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('rename' as const), block: number, label }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('delete block' as const), block: number }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('delete agent' as const), agent: number }),
    },
  )

  it("leaves each block's attachments equal to the agents' lists, with labels that differ on one agent", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const states = new Map<string, AnyState>()
        for (const n of [1, 2, 3, 4]) {
          states.set(`agent-${n}`, agentOf(n))
          states.set(`block-${n}`, blockOf(n, ['a', 'b', 'c', 'a'][n - 1] as string))
        }
        const of = <S extends AnyState>(id: string) => states.get(id) as S
        const agents = () => [1, 2, 3, 4].map((n) => of<AgentState>(`agent-${n}`))
        const blocks = () => [1, 2, 3, 4].map((n) => of<BlockState>(`block-${n}`))
        const holders = (id: string) => agents().filter((a) => a.blocks.some((b) => b.id === id))
        for (const one of commands) {
          const decided = decide(one)
          if (!decided.ok) continue
          for (const { streamId, event } of decided.value) {
            states.set(streamId, draft(states.get(streamId) ?? initialState(streamId), [event], by))
          }
          expectBothSidesEqual()
        }

        function decide(one: (typeof commands)[number]): Decided<readonly Append[]> {
          if (one.do === 'attach')
            return attach(of(`block-${one.block}`), of(`agent-${one.agent}`), one.right)
          if (one.do === 'detach')
            return detach(of(`block-${one.block}`), of(`agent-${one.agent}`), user)
          if (one.do === 'delete agent') {
            const agent = of<AgentState>(`agent-${one.agent}`)
            return deleteAgent(
              agent,
              agent.blocks.map(({ id }) => of<BlockState>(id)),
            )
          }
          const state = of<BlockState>(`block-${one.block}`)
          if (one.do === 'delete block') return deleteBlock(state, null, holders(state.id))
          const renamed = patchBlock(state, patch({ label: one.label }), blind, holders(state.id))
          return renamed.ok ? { ok: true, value: renamed.value.appends } : renamed
        }

        function expectBothSidesEqual(): void {
          for (const { id, attached, settings, deleted } of blocks()) {
            const there = holders(id).map((agent) => {
              const held = agent.blocks.filter((b) => b.id === id)
              expect(held.map((b) => b.label)).toEqual([settings.label])
              return [agent.id, held[0]?.right]
            })
            expect(attached).toEqual(Object.fromEntries(there))
            if (deleted) expect(there).toEqual([])
          }
          for (const agent of agents()) {
            const labels = agent.blocks.map((b) => b.label)
            expect(new Set(labels).size).toBe(labels.length)
            const places = agent.blocks.map((b) => b.place)
            expect(places).toEqual([...places].sort((a, b) => a - b))
            if (agent.deleted) expect(labels).toEqual([])
          }
        }
      }),
    )
  })

  it('two blocks of one label onto one agent: whichever comes first, exactly one is refused', () => {
    for (const order of [
      [1, 2],
      [2, 1],
    ] as const) {
      const [first, second] = order.map((n) => blockOf(n, 'same')) as [BlockState, BlockState]
      const has = appended(agentOf(1), acceptedOf(attach(first, agentOf(1))))
      expect(codeOf(attach(second, has))).toBe('label_taken')
      const freed = appended(
        has,
        acceptedOf(detach(appended(first, acceptedOf(attach(first, agentOf(1)))), has, user)),
      )
      expect(codeOf(attach(second, freed))).toBeNull()
    }
  })
})
