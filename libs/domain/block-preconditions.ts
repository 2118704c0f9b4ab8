import type { BlockCommand, Writer } from './block-events.js'
import { changesSince } from './block-memory.js'
import { type BlockState, lookBackTo, reference } from './block-state.js'
import { type Rejection, rejection } from './errors.js'
import * as text from './text.js'

/** What is refused before the rule of the operation is asked, in this order. */

const LABEL_LENGTH_MAX = 100
const PATCH_MARK = /(?<=^|\n)[-+ ]/g

/** A block that is not there cannot be judged. */
export function missing(state: BlockState): Rejection | null {
  const facts = { block_id: state.id }
  if (state.version === 0) return rejection('block_not_found', `Block ${state.id} not found`, facts)
  if (state.deleted) return rejection('gone', `Block ${state.id} was deleted`, facts)
  return null
}

/** Binds agents only; the API may edit a read-only block, and the event names who did. */
export function mayWrite(
  state: BlockState,
  command: BlockCommand,
  writer: Writer,
): Rejection | null {
  if (writer.actor.kind !== 'agent') return null
  const agentId = writer.actor.id
  const facts = { block_id: state.id, agent_id: agentId }
  const right = state.attached[agentId]
  if (!right) {
    return rejection(
      'agent_not_attached',
      `Agent ${agentId} is not attached to block ${state.settings.label}`,
      { ...facts, attach: `/v1/agents/${agentId}/core-memory/blocks/attach/${state.id}` },
    )
  }
  if (state.settings.read_only) return readOnly(state, agentId)
  const needed = command.type === 'InsertText' ? 'insert' : 'edit'
  if (right === 'edit' || right === needed) return null
  return rejection(
    'right_missing',
    `This needs the right to ${needed}; the attachment has ${right}`,
    {
      ...facts,
      right,
      needed,
    },
  )
}

/** The sentence agents and their prompts know. */
export function readOnly(state: BlockState, agentId: string): Rejection {
  return rejection('block_read_only', 'Error This block is read-only and cannot be edited.', {
    block_id: state.id,
    agent_id: agentId,
  })
}

export function argumentFault(
  state: BlockState,
  command: BlockCommand,
  writer: Writer,
): Rejection | null {
  return textFault(command) ?? labelFaultOf(command) ?? futureFault(state, writer)
}

function textFault(command: BlockCommand): Rejection | null {
  for (const [name, value] of texts(command)) {
    const code = text.unstorable(value)
    const what = code === 'nul_not_allowed' ? 'a NUL character' : 'a lone surrogate'
    if (code) return rejection(code, `${name} contains ${what}`, { parameter: name })
  }
  const must =
    command.type === 'InsertText'
      ? command.text
      : command.type === 'ReplaceText'
        ? command.old
        : null
  const [first] = texts(command)
  if (must === '' && first)
    return rejection('empty_text', `${first[0]} is empty`, { parameter: first[0] })
  if (!isNumbered(command)) return null
  for (const [name, value] of texts(command)) {
    if (text.hasLineNumberPrefix(value)) {
      return rejection(
        'line_number_prefix',
        `${name} contains a line number prefix, which is not part of the text: leave it out`,
        { parameter: name },
      )
    }
    if (value.includes(text.NUMBERED_VIEW_BANNER)) {
      return rejection(
        'line_number_banner',
        `${name} contains a line number warning, which is not part of the text: leave it out`,
        { parameter: name },
      )
    }
  }
  return null
}

/** A patch is always written from a view of the text, which may have been a numbered one. */
function isNumbered(command: BlockCommand): boolean {
  return command.type === 'PatchText' || ('numbered' in command && command.numbered)
}

/** The texts of a command under the names the tools give them; of a patch also its lines without their marks. */
function texts(command: BlockCommand): [name: string, value: string][] {
  switch (command.type) {
    case 'InsertText':
      return [[command.numbered ? 'new_string' : 'content', command.text]]
    case 'ReplaceText': {
      const word = command.numbered ? 'string' : 'content'
      return [
        [`old_${word}`, command.old],
        [`new_${word}`, command.new],
      ]
    }
    case 'RethinkBlock':
      return [['new_memory', command.text]]
    case 'PatchText':
      return [
        ['patch', command.patch],
        ['patch', command.patch.replaceAll(PATCH_MARK, '')],
      ]
    case 'RevertEdit':
    case 'RestoreBlock':
      return []
    case 'PatchBlock':
      return command.value === undefined ? [] : [['value', command.value]]
  }
}

function labelFaultOf(command: BlockCommand): Rejection | null {
  if (command.type !== 'PatchBlock' || command.settings.label === undefined) return null
  return labelFault(command.settings.label)
}

/** A label becomes a tag of the prompt: 1–100 code points, no control characters, `<`, `>`, `&`, no outer space. */
export function labelFault(label: string): Rejection | null {
  const length = text.length(label)
  const legal =
    length >= 1 &&
    length <= LABEL_LENGTH_MAX &&
    !/[\p{Cc}<>&]/u.test(label) &&
    !/^\s|\s$/u.test(label) &&
    text.unstorable(label) === null
  if (legal) return null
  return rejection(
    'invalid_label',
    'A label has 1 to 100 characters, no control characters, no <, > or &, and no space at either end',
    { parameter: 'label' },
  )
}

function futureFault(state: BlockState, writer: Writer): Rejection | null {
  if (writer.baseVersion === null || writer.baseVersion <= state.version) return null
  return rejection(
    'version_from_future',
    `base_version ${writer.baseVersion} is above the block's version ${state.version}`,
    { block_id: state.id, base_version: writer.baseVersion },
  )
}

export function preconditionFault(state: BlockState, writer: Writer): Rejection | null {
  const expected = writer.ifMatch
  if (expected === undefined || expected === null || expected === '*' || expected === state.version)
    return null
  return rejection(
    'version_conflict',
    `If-Match named version ${expected}; block ${state.settings.label} is at version ${state.version}`,
    {
      block_id: state.id,
      expected,
      actual: state.version,
      events_between: changesSince(state.memory, lookBackTo(state, expected)).map(reference),
    },
  )
}
