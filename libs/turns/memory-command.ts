import { z } from 'zod'
import {
  asking,
  labelOfPath,
  type MemoryCall,
  type MemoryOperation,
  renaming,
  unreadable,
} from './memory-operation.js'

const text = z.string().nullish()

/** The arguments of the tool `memory`; models send null for those they leave out. */
export const MEMORY_COMMAND = z.object({
  command: z.string(),
  path: text,
  description: text,
  file_text: text,
  old_string: text,
  new_string: text,
  insert_line: z.int().nullish(),
  insert_text: text,
  old_path: text,
  new_path: text,
})

type MemoryArguments = z.output<typeof MEMORY_COMMAND>
type Given<K extends keyof MemoryArguments> = Readonly<
  Record<K, NonNullable<MemoryArguments[K]> & string>
>

/** What a call of the tool `memory` asks for. */
export function readMemoryCommand(args: MemoryArguments): MemoryCall {
  switch (args.command) {
    case 'create':
      return given(args, ['path', 'description'], ({ path, description }) => ({
        do: 'create',
        label: labelOfPath(path),
        description,
        value: args.file_text ?? '',
      }))
    case 'str_replace':
      return given(args, ['path', 'old_string', 'new_string'], (all) => ({
        do: 'edit',
        label: labelOfPath(all.path),
        command: {
          type: 'ReplaceText',
          old: all.old_string,
          new: all.new_string,
          all: false,
          numbered: true,
        },
      }))
    case 'insert':
      return given(args, ['path', 'insert_text'], (all) => ({
        do: 'edit',
        label: labelOfPath(all.path),
        command: {
          type: 'InsertText',
          text: all.insert_text,
          place: placeOf(args.insert_line ?? -1),
          numbered: true,
        },
      }))
    case 'delete':
      return given(args, ['path'], ({ path }) => ({ do: 'detach', label: labelOfPath(path) }))
    case 'rename':
      return rename(args)
    default:
      return unreadable(
        `Error: Unknown command '${args.command}'. Use create, str_replace, insert, delete or rename.`,
      )
  }
}

function placeOf(line: number) {
  return line === -1 ? ({ at: 'end' } as const) : ({ at: 'line', line } as const)
}

/** A path and a description are a new description; two paths are a new label. */
function rename({ path, description, old_path, new_path }: MemoryArguments): MemoryCall {
  if (typeof path === 'string' && typeof description === 'string') {
    const command = { type: 'PatchBlock', settings: { description } } as const
    return asking({ do: 'edit', label: labelOfPath(path), command })
  }
  if (typeof old_path === 'string' && typeof new_path === 'string') {
    return asking(renaming(labelOfPath(old_path), labelOfPath(new_path)))
  }
  return unreadable(
    'Error: old_path and new_path are required for rename command, or path and description for a new description.',
  )
}

/** The operation made of arguments that must all be there. */
function given<K extends keyof MemoryArguments>(
  args: MemoryArguments,
  names: readonly K[],
  make: (all: Given<K>) => MemoryOperation,
): MemoryCall {
  const missing = names.find((name) => typeof args[name] !== 'string')
  if (missing !== undefined) {
    return unreadable(`Error: ${missing} is required for ${args.command} command`)
  }
  return asking(make(args as Given<K>))
}
