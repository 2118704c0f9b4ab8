import type { BlockCommand } from '#domain/block-events.js'
import type { RoomCall } from './tool-room.js'
import { ToolRoom } from './tool-room.js'

/** Longer than a return shows. */
export const LONG = Array.from({ length: 400 }, (_, i) => `line number ${i + 1} of many`).join('\n')

export function insertion(text: string, line?: number): BlockCommand {
  const place = line === undefined ? ({ at: 'end' } as const) : ({ at: 'line', line } as const)
  return { type: 'InsertText', text, place, numbered: true }
}

export function replacement(old: string, text: string): BlockCommand {
  return { type: 'ReplaceText', old, new: text, all: false, numbered: true }
}

export function rewriting(text: string): BlockCommand {
  return { type: 'RethinkBlock', text, numbered: true }
}

/** The block `notes` at version 3, with agent1, whose calls these are, and agent2, whose edits they meet. */
export class NotesRoom extends ToolRoom {
  readonly id: string

  constructor(value: string, settings: Parameters<ToolRoom['block']>[1] = {}) {
    super()
    this.id = this.block(value, settings)
  }

  get value(): string {
    return this.state(this.id).value
  }

  theirs(command: BlockCommand): void {
    this.edit(this.id, command)
  }

  /** What agent1 is told, when it has seen `seen`. */
  async told(tool: string, args: object, seen: number | null = 3): Promise<RoomCall['returned']> {
    const versions = seen === null ? {} : { [this.id]: seen }
    return (await this.call(tool, { label: 'notes', ...args }, { seen: versions })).returned
  }
}
