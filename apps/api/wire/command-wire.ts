import { z } from 'zod'
import type { BlockChange } from '#commands/block-change.js'
import { absentOr, customIssue, id, integer } from '../http/validation.js'
import {
  insertCommand,
  insertionFields,
  onePlace,
  replaceCommand,
  replacement,
  rethinkCommand,
  reversal,
  rewrite,
} from './block-edit-wire.js'
import { baseVersion, blockPatch, blockSettings, newBlock, newBlockSettings } from './block-wire.js'

/** Most members of a batch. */
const MEMBERS_MAX = 256

const target = { block_id: id('block'), if_match: absentOr(integer({ min: 0 })) }
const right = absentOr(z.enum(['read', 'insert', 'edit']))

/** One change of a batch: the words of its own route, and which block. */
const member = z.discriminatedUnion('type', [
  z
    .strictObject({ type: z.literal('insert'), ...target, ...insertionFields })
    .superRefine(onePlace),
  z.strictObject({ type: z.literal('replace'), ...target, ...replacement.shape }),
  z.strictObject({ type: z.literal('rethink'), ...target, ...rewrite.shape }),
  z.strictObject({ type: z.literal('undo'), ...target, ...reversal.shape }),
  z.strictObject({ type: z.literal('restore'), ...target, ...reversal.shape }),
  z.strictObject({ type: z.literal('update'), ...target, ...blockPatch.shape }),
  z.strictObject({
    type: z.literal('create'),
    block_id: absentOr(id('block')),
    if_match: z.undefined().optional(),
    base_version: z.undefined().optional(),
    ...newBlock.shape,
  }),
  z.strictObject({ type: z.literal('delete'), ...target, base_version: baseVersion }),
  z.strictObject({
    type: z.literal('attach'),
    ...target,
    base_version: baseVersion,
    agent_id: id('agent'),
    right,
  }),
  z.strictObject({
    type: z.literal('detach'),
    ...target,
    base_version: baseVersion,
    agent_id: id('agent'),
  }),
])
export type BatchMember = z.output<typeof member>

export const batch = z.strictObject({
  commands: z.array(member).superRefine((members, context) => {
    if (members.length === 0) context.addIssue(customIssue('empty_batch', 'there is no command'))
    if (members.length <= MEMBERS_MAX) return
    const message = `expected at most ${MEMBERS_MAX} commands`
    context.addIssue(customIssue('invalid_argument', message))
  }),
  atomic: absentOr(z.boolean()),
})
export type Batch = z.output<typeof batch>

/** What a member asks of its block. A restore first needs the text it goes back to. */
export function changeOf(body: Exclude<BatchMember, { type: 'restore' }>): BlockChange {
  switch (body.type) {
    case 'insert':
      return insertCommand(body)
    case 'replace':
      return replaceCommand(body)
    case 'rethink':
      return rethinkCommand(body)
    case 'undo':
      return { type: 'RevertEdit', version: body.version }
    case 'update':
      return { type: 'PatchBlock', value: body.value, settings: blockSettings(body) }
    case 'create':
      return { type: 'CreateBlock', value: body.value, settings: newBlockSettings(body) }
    case 'delete':
      return { type: 'DeleteBlock', reason: null }
    case 'attach':
      return { type: 'AttachBlock', agentId: body.agent_id, right: body.right ?? null }
    case 'detach':
      return { type: 'DetachBlock', agentId: body.agent_id }
  }
}
