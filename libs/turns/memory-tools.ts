import { z } from 'zod'
import type { BlockCommand } from '#domain/block-events.js'

/** What a memory tool's call asks of a block, or why its arguments cannot be read. */
export type MemoryCall =
  | { readonly ok: true; readonly label: string; readonly command: BlockCommand }
  | { readonly ok: false; readonly fault: string }

const label = z.string()

/** Each tool's arguments, and the command they make. Unknown arguments are ignored, as models invent them. */
const TOOLS = {
  memory_insert: z
    .object({ label, new_string: z.string(), insert_line: z.int().default(-1) })
    .transform(({ label, new_string, insert_line }) => ({
      label,
      command: {
        type: 'InsertText',
        text: new_string,
        place: insert_line === -1 ? { at: 'end' } : { at: 'line', line: insert_line },
        numbered: true,
      } satisfies BlockCommand,
    })),
  memory_replace: z
    .object({ label, old_string: z.string(), new_string: z.string() })
    .transform(({ label, old_string, new_string }) => ({
      label,
      command: {
        type: 'ReplaceText',
        old: old_string,
        new: new_string,
        all: false,
        numbered: true,
      } satisfies BlockCommand,
    })),
  memory_rethink: z
    .object({ label, new_memory: z.string() })
    .transform(({ label, new_memory }) => ({
      label,
      command: { type: 'RethinkBlock', text: new_memory, numbered: true } satisfies BlockCommand,
    })),
  core_memory_append: z.object({ label, content: z.string() }).transform(({ label, content }) => ({
    label,
    command: {
      type: 'InsertText',
      text: content,
      place: { at: 'end' },
      numbered: false,
    } satisfies BlockCommand,
  })),
  core_memory_replace: z
    .object({ label, old_content: z.string(), new_content: z.string() })
    .transform(({ label, old_content, new_content }) => ({
      label,
      command: {
        type: 'ReplaceText',
        old: old_content,
        new: new_content,
        all: true,
        numbered: false,
      } satisfies BlockCommand,
    })),
} as const

export type MemoryToolName = keyof typeof TOOLS

export function isMemoryTool(name: string): name is MemoryToolName {
  return Object.hasOwn(TOOLS, name)
}

/** Reads the arguments of a memory tool. */
export function readMemoryCall(name: MemoryToolName, args: unknown): MemoryCall {
  const parsed = TOOLS[name].safeParse(args)
  if (parsed.success) return { ok: true, ...parsed.data }
  const faults = parsed.error.issues.map(
    (issue) => `${issue.path.join('.') || 'arguments'}: ${issue.message}`,
  )
  return { ok: false, fault: faults.join('; ') }
}
