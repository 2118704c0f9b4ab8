import { describe, expect, it } from '@jest/globals'
import type { BlockEvent } from '#domain/block-events.js'
import { apply } from '#domain/text.js'
import { vectors } from '../../test/support/contract.js'
import { ToolRoom } from '../../test/support/tool-room.js'

const all = vectors()

describe('the memory tools, as every vector of the contract has them', () => {
  it('are all there', () => {
    expect(all).toHaveLength(176)
  })

  it.each(all.map((vector) => [vector.tool, vector.name, vector] as const))(
    '%s: %s',
    async (_tool, _name, { tool, args, block, expect: wanted }) => {
      const { value, ...settings } = block
      const room = new ToolRoom(['agent1'])
      const id = room.block(value, settings, ['agent1'])
      const { version } = room.state(id)
      const { appends, returned } = await room.call(tool, args)
      const { error, created, changed, effect } = wanted
      const after = room.state(id)
      if (error) {
        expect(returned).toMatchObject({ status: 'error', code: error.code })
        expect(returned.result).toContain(error.textContains)
        expect(appends).toEqual([])
        expect(room.agent('agent1').blocks).toHaveLength(1)
        return
      }
      expect(returned.status).toBe('success')
      expect(after.value).toBe(wanted.value)
      if (changed === false) expect(appends).toEqual([])
      else if (!created) expect(after.version).toBe(version + 1)
      const splices = appends
        .filter(({ streamId }) => streamId === id)
        .flatMap(({ event }) => (event as BlockEvent).payload.effect)
      expect(apply(value, splices)).toBe(wanted.value)
      if (effect) expect(splices).toEqual(effect)
      const held = room.agent('agent1').blocks.map((held) => room.state(held.id))
      const shown = held.map(({ settings, value }) => ({
        label: settings.label,
        description: settings.description,
        value,
      }))
      const own = { label: wanted.label ?? block.label, value: wanted.value }
      const described = wanted.description ?? block.description ?? null
      const kept = wanted.attached === false ? [] : [{ ...own, description: described }]
      expect(shown).toEqual(created ? [...kept, created] : kept)
    },
  )
})
