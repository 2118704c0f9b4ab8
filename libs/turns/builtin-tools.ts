import type { BuiltinTool } from '#commands/tools-table.js'
import type { AgentType } from '#domain/agent.js'

type Properties = Readonly<Record<string, Readonly<Record<string, unknown>>>>

interface Traits {
  readonly parallel?: true
  readonly terminal?: true
}

const LABEL = { type: 'string', description: 'The label of the memory block.' }

/**
 * The tools every installation has, by the names that agents of this wire are tuned to. Memory tools
 * change shared text, so their calls run one after another; those that only read may overlap.
 */
export const BUILTIN_TOOLS: readonly BuiltinTool[] = [
  tool(
    'memory_insert',
    'letta_sleeptime_core',
    'Add text to a memory block without touching what is there. Other agents may be adding to the same block: every text is kept.',
    {
      label: LABEL,
      new_string: { type: 'string', description: 'The text to add, without line numbers.' },
      insert_line: {
        type: 'integer',
        description: 'Add after this line: 0 is the beginning, -1 the end.',
        default: -1,
      },
    },
    ['label', 'new_string'],
  ),
  tool(
    'memory_replace',
    'letta_sleeptime_core',
    'Replace one piece of text in a memory block. The old text must be there exactly once; if somebody changed it meanwhile, the call is refused and shows the current text.',
    {
      label: LABEL,
      old_string: {
        type: 'string',
        description: 'The exact text to replace, spaces and line breaks included.',
      },
      new_string: { type: 'string', description: 'The text to put in its place; may be empty.' },
    },
    ['label', 'old_string', 'new_string'],
  ),
  tool(
    'memory_rethink',
    'letta_sleeptime_core',
    'Rewrite a memory block from beginning to end. Use it to condense or reorganize; for a single change use memory_insert or memory_replace.',
    {
      label: LABEL,
      new_memory: {
        type: 'string',
        description:
          'The whole new text of the block; whatever it leaves out is gone from the block.',
      },
    },
    ['label', 'new_memory'],
  ),
  tool(
    'memory_finish_edits',
    'letta_sleeptime_core',
    'Say that you have finished editing the memory.',
    {},
    [],
    { terminal: true },
  ),
  tool(
    'core_memory_append',
    'letta_memory_core',
    'Add a line at the end of a memory block.',
    { label: LABEL, content: { type: 'string', description: 'The text to add.' } },
    ['label', 'content'],
  ),
  tool(
    'core_memory_replace',
    'letta_memory_core',
    'Replace every occurrence of a text in a memory block.',
    {
      label: LABEL,
      old_content: { type: 'string', description: 'The exact text to replace.' },
      new_content: { type: 'string', description: 'The text to put in its place; may be empty.' },
    },
    ['label', 'old_content', 'new_content'],
  ),
  tool(
    'conversation_search',
    'letta_core',
    'Search the earlier messages of your own conversations, including those you can no longer see. Give a text, a period, or both.',
    {
      query: { type: 'string', description: 'The text to look for.' },
      roles: {
        type: 'array',
        items: { type: 'string', enum: ['assistant', 'user', 'tool'] },
        description: 'Whose messages to look at; all of them by default.',
      },
      limit: { type: 'integer', description: 'Most messages to return.', default: 5 },
      start_date: {
        type: 'string',
        description: 'From this day or minute on: 2026-01-31 or 2026-01-31T14:30.',
      },
      end_date: {
        type: 'string',
        description: 'Up to and including this day or minute, in the same form.',
      },
    },
    [],
    { parallel: true },
  ),
  tool(
    'web_search',
    'letta_builtin',
    'Search the web. Returns titles, addresses and the passages that fit the query.',
    {
      query: { type: 'string', description: 'What to look for, in plain words.' },
      num_results: {
        type: 'integer',
        description: 'Number of results, 1 to 100.',
        default: 10,
      },
      category: {
        type: 'string',
        description: 'Only pages of this kind, such as news, company, pdf or research paper.',
      },
      include_text: {
        type: 'boolean',
        description: 'Return the whole text of each page too; it can be long.',
        default: false,
      },
      include_domains: {
        type: 'array',
        items: { type: 'string' },
        description: 'Only pages of these domains.',
      },
      exclude_domains: {
        type: 'array',
        items: { type: 'string' },
        description: 'No pages of these domains.',
      },
      start_published_date: {
        type: 'string',
        description: 'Only pages published on this day or later: YYYY-MM-DD.',
      },
      end_published_date: {
        type: 'string',
        description: 'Only pages published on this day or earlier: YYYY-MM-DD.',
      },
      user_location: {
        type: 'string',
        description: 'Two-letter code of the country to search from.',
      },
    },
    ['query'],
    { parallel: true },
  ),
  tool(
    'send_message',
    'letta_core',
    'Send a message to the user. It is the only thing of yours that the user reads.',
    { message: { type: 'string', description: 'The text for the user.' } },
    ['message'],
    { terminal: true },
  ),
]

/** Tools after whose success the turn ends, for agents with base tool rules. */
export const TERMINAL_TOOLS: ReadonlySet<string> = namesOf((builtin) => builtin.terminal)

/** Tools without effects, whose calls of one step may run side by side. */
export const PARALLEL_TOOLS: ReadonlySet<string> = namesOf((builtin) => builtin.parallel)

const WITHOUT_RULES: ReadonlySet<AgentType> = new Set([
  'letta_v1_agent',
  'react_agent',
  'workflow_agent',
])

/**
 * The tools that end a turn of an agent of this type. Three types have no base tool rules: their turn
 * ends when the model answers without a tool call.
 */
export function terminalTools(agentType: AgentType): ReadonlySet<string> {
  return WITHOUT_RULES.has(agentType) ? new Set() : TERMINAL_TOOLS
}

const MEMORY_TOOLS = ['conversation_search', 'memory_insert', 'memory_replace']
const SLEEPTIME_TOOLS = ['memory_replace', 'memory_insert', 'memory_rethink', 'memory_finish_edits']
const CHAT_TOOLS = ['send_message', 'conversation_search']

/**
 * Names of the tools an agent of this type is created with, unless its creator declines them. Letta
 * gives the older chat agents also `memory`, `memory_apply_patch` and archival search: they are not in
 * the catalogue yet.
 *
 * @param hasSleeptime a chat agent whose memory another agent keeps edits none itself.
 */
export function baseToolNames(agentType: AgentType, hasSleeptime: boolean): readonly string[] {
  switch (agentType) {
    case 'letta_v1_agent':
      return MEMORY_TOOLS
    case 'memgpt_v2_agent':
      return [...MEMORY_TOOLS, 'send_message']
    case 'sleeptime_agent':
    case 'voice_sleeptime_agent':
      return SLEEPTIME_TOOLS
    case 'react_agent':
    case 'workflow_agent':
      return []
    default:
      return hasSleeptime
        ? CHAT_TOOLS
        : [...CHAT_TOOLS, 'core_memory_append', 'core_memory_replace']
  }
}

function namesOf(chosen: (builtin: BuiltinTool) => boolean): Set<string> {
  return new Set(BUILTIN_TOOLS.filter(chosen).map((builtin) => builtin.name))
}

function tool(
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
