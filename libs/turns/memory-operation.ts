import type { BlockCommand } from '#domain/block-events.js'

/** One thing that a memory tool's call does to one block. */
export type MemoryOperation =
  | { readonly do: 'edit'; readonly label: string; readonly command: BlockCommand }
  | {
      readonly do: 'create'
      readonly label: string
      readonly description: string | null
      readonly value: string
    }
  /** The block survives, with its text and its history. */
  | { readonly do: 'detach'; readonly label: string }

/** What a memory tool's call asks for, in order, or why its arguments cannot be read. */
export type MemoryCall =
  | { readonly ok: true; readonly operations: readonly MemoryOperation[] }
  | { readonly ok: false; readonly fault: string }

export function asking(...operations: readonly MemoryOperation[]): MemoryCall {
  return { ok: true, operations }
}

export function unreadable(fault: string): MemoryCall {
  return { ok: false, fault }
}

/** The one rule for paths: a leading `/memories/` or `/` is no part of the label; inner slashes are. */
export function labelOfPath(path: string): string {
  const [prefix] = /^\/(?:memories\/)?/.exec(path) ?? ['']
  return path.slice(prefix.length)
}

/** A new label, for every agent that has the block. */
export function renaming(label: string, to: string): MemoryOperation {
  return { do: 'edit', label, command: { type: 'PatchBlock', settings: { label: to } } }
}
