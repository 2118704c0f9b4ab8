import type { BuiltinTool } from '#commands/tools-table.js'

type Properties = Readonly<Record<string, Readonly<Record<string, unknown>>>>

interface Traits {
  readonly parallel?: true
  readonly terminal?: true
}

/** A tool of the catalogue, with the schema its models read. */
export function tool(
  name: string,
  tool_type: string,
  description: string,
  properties: Properties,
  required: readonly string[],
  traits: Traits = {},
): BuiltinTool {
  const parameters = { type: 'object', properties, required }
  return {
    name,
    tool_type,
    description,
    json_schema: { name, description, parameters },
    parallel: traits.parallel ?? false,
    terminal: traits.terminal ?? false,
  }
}
