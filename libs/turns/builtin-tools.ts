import type { BuiltinTool } from '#commands/tools-table.js'
import type { AgentType } from '#domain/agent.js'
import { tool } from './builtin-tool.js'
import { MEMORY_TOOLS } from './memory-catalogue.js'

/**
 * The tools every installation has, by the names that agents of this wire are tuned to. Memory tools
 * change shared text, so their calls run one after another; those that only read may overlap.
 */
export const BUILTIN_TOOLS: readonly BuiltinTool[] = [
  ...MEMORY_TOOLS,
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

const CURRENT_TOOLS = ['conversation_search', 'memory_insert', 'memory_replace']
const SLEEPTIME_TOOLS = ['memory_replace', 'memory_insert', 'memory_rethink', 'memory_finish_edits']
const CHAT_TOOLS = ['send_message', 'conversation_search']
const CLASSIC_TOOLS = ['core_memory_append', 'core_memory_replace', 'memory', 'memory_apply_patch']

/**
 * Names of the tools an agent of this type is created with, unless its creator declines them. Letta
 * gives chat agents with a memory keeper also archival search: it is not in the catalogue yet.
 *
 * @param hasSleeptime a chat agent whose memory another agent keeps edits none itself.
 */
export function baseToolNames(agentType: AgentType, hasSleeptime: boolean): readonly string[] {
  switch (agentType) {
    case 'letta_v1_agent':
      return CURRENT_TOOLS
    case 'memgpt_v2_agent':
      return [...CURRENT_TOOLS, 'send_message']
    case 'sleeptime_agent':
    case 'voice_sleeptime_agent':
      return SLEEPTIME_TOOLS
    case 'react_agent':
    case 'workflow_agent':
      return []
    default:
      return hasSleeptime ? CHAT_TOOLS : [...CHAT_TOOLS, ...CLASSIC_TOOLS]
  }
}

function namesOf(chosen: (builtin: BuiltinTool) => boolean): Set<string> {
  return new Set(BUILTIN_TOOLS.filter(chosen).map((builtin) => builtin.name))
}
