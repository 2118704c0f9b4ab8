import { z } from 'zod'
import type { BlockCommand } from '#domain/block-events.js'
import { readPatch } from './block-patch-script.js'
import { MEMORY_COMMAND, readMemoryCommand } from './memory-command.js'
import { asking, type MemoryCall, unreadable } from './memory-operation.js'

const label = z.string()

function edit(label: string, command: BlockCommand): MemoryCall {
  return asking({ do: 'edit', label, command })
}

/** Each tool's arguments, and what they ask for. Unknown arguments are ignored, as models invent them. */
const TOOLS = {
  memory_insert: z
    .object({ label, new_string: z.string(), insert_line: z.int().default(-1) })
    .transform(({ label, new_string, insert_line }) =>
      edit(label, {
        type: 'InsertText',
        text: new_string,
        place: insert_line === -1 ? { at: 'end' } : { at: 'line', line: insert_line },
        numbered: true,
      }),
    ),
  memory_replace: z
    .object({ label, old_string: z.string(), new_string: z.string() })
    .transform(({ label, old_string, new_string }) =>
      edit(label, {
        type: 'ReplaceText',
        old: old_string,
        new: new_string,
        all: false,
        numbered: true,
      }),
    ),
  memory_rethink: z
    .object({ label, new_memory: z.string() })
    .transform(({ label, new_memory }) =>
      edit(label, { type: 'RethinkBlock', text: new_memory, numbered: true }),
    ),
  memory_apply_patch: z
    .object({ label, patch: z.string() })
    .transform(({ label, patch }) => readPatch(label, patch)),
  memory: MEMORY_COMMAND.transform(readMemoryCommand),
  core_memory_append: z
    .object({ label, content: z.string() })
    .transform(({ label, content }) =>
      edit(label, { type: 'InsertText', text: content, place: { at: 'end' }, numbered: false }),
    ),
  core_memory_replace: z
    .object({ label, old_content: z.string(), new_content: z.string() })
    .transform(({ label, old_content, new_content }) =>
      edit(label, {
        type: 'ReplaceText',
        old: old_content,
        new: new_content,
        all: true,
        numbered: false,
      }),
    ),
} as const

export type MemoryToolName = keyof typeof TOOLS

export function isMemoryTool(name: string): name is MemoryToolName {
  return Object.hasOwn(TOOLS, name)
}

/** Reads the arguments of a memory tool. */
export function readMemoryCall(name: MemoryToolName, args: unknown): MemoryCall {
  const parsed = TOOLS[name].safeParse(args)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`,
  )
  return unreadable(faults.join('; '))
}
