import { z } from 'zod'
import type { NewBlockSettings } from '#domain/block.js'
import type { SettingsPatch } from '#domain/block-events.js'
import type { AttachedBlockView } from '#read-models/attachments.js'
import type { BlockView } from '#read-models/blocks.js'
import { absentOr, customIssue, integer, jsonObject, text } from '../http/validation.js'
import { present } from './present.js'
import { wireTime } from './time-wire.js'

/** The largest limit the column holds. */
const LIMIT_MAX = 2_147_483_647

const settings = {
  label: absentOr(text()),
  limit: absentOr(integer({ min: 1, max: LIMIT_MAX })),
  description: absentOr(text()),
  read_only: absentOr(z.boolean()),
  tags: absentOr(z.array(text())),
  metadata: absentOr(jsonObject()),
  hidden: absentOr(z.boolean()),
  is_template: absentOr(z.boolean()),
  preserve_on_migration: absentOr(z.boolean()),
  project_id: absentOr(text()),
  template_name: absentOr(text()),
  /** The older word for `template_name`. */
  name: absentOr(text()),
  policies: absentOr(
    z.strictObject({
      rethink: absentOr(z.enum(['overwrite', 'preserve', 'guard', 'merge'])),
      replace: absentOr(z.enum(['text', 'strict'])),
      anchor_lost: absentOr(z.enum(['end', 'reject'])),
    }),
  ),
}

/** What the caller had seen. */
export const baseVersion = absentOr(
  z.number({ error: 'expected a version' }).superRefine((value, context) => {
    if (Number.isSafeInteger(value) && value >= 0) return
    context.addIssue(customIssue('invalid_type', 'expected a version: a whole number from 0 on'))
  }),
)

/** A block to be made. */
export const newBlock = z.object({
  ...settings,
  label: text(),
  value: text()
    .nullable()
    .transform((value) => value ?? ''),
})
export type NewBlockBody = z.output<typeof newBlock>

/** A change of a block, in Letta's words: only what is there and not null counts. */
export const blockPatch = z.object({
  ...settings,
  value: absentOr(text()),
  base_version: baseVersion,
})
export type BlockPatchBody = z.output<typeof blockPatch>

/** What a new block with one of the two classic labels is for, unless its creator says. */
const DESCRIPTIONS: ReadonlyMap<string, string> = new Map([
  [
    'human',
    'What is known about the person you talk with: name, preferences, plans, and what was agreed.',
  ],
  ['persona', 'Who you are: your role, your manner of speaking, and how you go about your work.'],
])

export function newBlockSettings(body: NewBlockBody): NewBlockSettings {
  const description = DESCRIPTIONS.get(body.label)
  return { ...present({ description }), ...blockSettings(body), label: body.label }
}

export function blockSettings(body: Pick<BlockPatchBody, keyof typeof settings>): SettingsPatch {
  return present({
    label: body.label,
    description: body.description,
    limit: body.limit,
    read_only: body.read_only,
    tags: body.tags && [...new Set(body.tags)],
    metadata: body.metadata,
    hidden: body.hidden,
    is_template: body.is_template,
    preserve_on_migration: body.preserve_on_migration,
    project_id: body.project_id,
    template_name: body.template_name ?? body.name,
    policies: body.policies && present(body.policies),
  })
}

/** A block as Letta's clients know it, with `version` and times. */
export function renderBlock(block: BlockView) {
  const { settings } = block
  return {
    id: block.id,
    label: settings.label,
    value: block.value,
    limit: settings.limit,
    read_only: settings.read_only,
    description: settings.description,
    metadata: settings.metadata,
    tags: settings.tags,
    hidden: settings.hidden,
    project_id: settings.project_id,
    is_template: settings.is_template,
    template_name: settings.template_name,
    template_id: null,
    base_template_id: null,
    deployment_id: null,
    entity_id: null,
    preserve_on_migration: settings.preserve_on_migration,
    created_by_id: block.createdBy.id,
    last_updated_by_id: block.updatedBy.id,
    policies: settings.policies,
    version: block.version,
    created_at: wireTime(block.createdAt),
    updated_at: wireTime(block.updatedAt),
  }
}

/** The same, with what the agent may do with it. */
export function renderAttachedBlock(block: AttachedBlockView) {
  return { ...renderBlock(block), right: block.right }
}
