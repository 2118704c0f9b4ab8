import { z } from 'zod'
import type { NewTool, ToolFields } from '#commands/tools-table.js'
import type { ToolRow } from '#read-models/tools.js'
import { absentOr, customIssue, integer, jsonObject, text } from '../http/validation.js'
import { present } from './present.js'
import { sourceFunctionName } from './source-function.js'

const RETURN_CHARACTERS_MAX = 1_000_000
const SOURCE_LENGTH_MAX = 200_000
/** What model providers accept as the name of a function. */
const NAME = /^[a-zA-Z0-9_-]{1,64}$/

export function renderTool(row: ToolRow): Record<string, unknown> {
  return {
    id: row.tool_id,
    name: row.name,
    tool_type: row.tool_type,
    description: row.description,
    source_type: row.source_type,
    source_code: row.source_code,
    json_schema: row.json_schema,
    args_json_schema: row.args_json_schema,
    tags: row.tags,
    return_char_limit: row.return_char_limit,
    pip_requirements: row.pip_requirements,
    npm_requirements: row.npm_requirements,
    default_requires_approval: row.default_requires_approval,
    enable_parallel_execution: row.enable_parallel_execution,
    metadata_: row.metadata,
    project_id: row.project_id,
    created_by_id: row.created_by.id,
    last_updated_by_id: row.updated_by.id,
  }
}

const requirement = z.looseObject({ name: text(), version: text().nullish() })

const fields = z.object({
  name: absentOr(text()),
  description: absentOr(text()),
  source_type: absentOr(z.enum(['python', 'typescript', 'json'])),
  source_code: absentOr(text().max(SOURCE_LENGTH_MAX)),
  json_schema: absentOr(jsonObject()),
  args_json_schema: absentOr(jsonObject()),
  tags: absentOr(z.array(text())),
  return_char_limit: absentOr(integer({ min: 1, max: RETURN_CHARACTERS_MAX })),
  pip_requirements: absentOr(z.array(requirement)),
  npm_requirements: absentOr(z.array(requirement)),
  default_requires_approval: absentOr(z.boolean()),
  enable_parallel_execution: absentOr(z.boolean()),
  metadata_: absentOr(jsonObject()),
  project_id: absentOr(text()),
})
type Fields = z.output<typeof fields>

/**
 * The body of a new tool: a JSON schema, or source code. Its name is the schema's, else that of the
 * source's last function, else `name`. Source is stored as it came and never run.
 */
export const newTool = fields.transform((body, context): NewTool => {
  const name = nameIn(body) ?? body.name
  if (name !== undefined && NAME.test(name)) return { ...stored(body), ...named(name, body) }
  const message =
    name === undefined
      ? 'missing: send name, json_schema.name, or source_code with a function'
      : 'expected 1 to 64 letters, digits, underscores or hyphens'
  context.addIssue({ ...customIssue('invalid_argument', message), path: ['name'] })
  return z.NEVER
})

/** What a PATCH changes; `name` is what it says the tool is called, to compare with what it is. */
export const toolChanges = fields.transform((body) => ({
  name: nameIn(body) ?? body.name,
  fields: stored(body),
}))

/** The change of an existing tool: its schema keeps the tool's name, and what the PATCH leaves out. */
export function changedFields(
  row: ToolRow,
  { fields }: z.output<typeof toolChanges>,
): Partial<ToolFields> {
  const { json_schema: schema, description } = fields
  if (!schema && description === undefined) return fields
  const described = description === undefined ? {} : { description }
  return {
    ...fields,
    json_schema: { ...row.json_schema, ...described, ...schema, name: row.name },
  }
}

function nameIn({ json_schema, source_code, source_type }: Fields): string | undefined {
  if (typeof json_schema?.name === 'string') return json_schema.name
  return source_code === undefined
    ? undefined
    : sourceFunctionName(source_code, source_type ?? 'python')
}

function named(name: string, body: Fields): Pick<NewTool, 'name' | 'description' | 'json_schema'> {
  const schema = body.json_schema ?? {}
  const described = typeof schema.description === 'string' ? schema.description : null
  const description = body.description ?? described
  return {
    name,
    description,
    json_schema: {
      ...schema,
      name,
      description: described ?? description ?? '',
      parameters: schema.parameters ?? { type: 'object', properties: {}, required: [] },
    },
  }
}

function stored({ name: _, metadata_, ...body }: Fields): Partial<ToolFields> {
  const source_type = body.source_type ?? (body.source_code === undefined ? undefined : 'python')
  return present({ ...body, source_type, metadata: metadata_ }) as Partial<ToolFields>
}
