import * as edit from './block-edits.js'
import type { BlockCommand, BlockEvent, BlockSettings, Writer } from './block-events.js'
import * as refuse from './block-refusals.js'
import { BLANK_SETTINGS, type BlockState } from './block-state.js'
import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import * as text from './text.js'

/** A new block. `settings` are complete but for what may be left out. */
export function createBlock(
  state: BlockState,
  value: string,
  settings: Partial<BlockSettings> & { readonly label: string },
): Decided<BlockEvent[]> {
  if (state.version > 0) {
    return reject(
      rejection('already_exists', `Block ${state.id} already exists`, { block_id: state.id }),
    )
  }
  const complete: BlockSettings = { ...BLANK_SETTINGS, ...settings }
  const fault = refuse.labelFault(complete.label)
  if (fault) return reject(fault)
  const length = text.length(value)
  if (length > complete.limit) return reject(refuse.limitExceeded(state, length, complete.limit))
  const effect = value === '' ? [] : [{ offset: 0, delete: 0, insert: value }]
  return accept([
    { type: 'BlockCreated', payload: { intent: { ...complete, value }, effect, length } },
  ])
}

/**
 * Judges an edit on the text as it is now. Order of checks: the block exists, the actor may write,
 * the arguments, `If-Match`, the rule of the operation, the limit, no change.
 */
export function decideBlock(
  state: BlockState,
  command: BlockCommand,
  writer: Writer,
): Decided<BlockEvent[]> {
  const refusal =
    refuse.missing(state) ??
    refuse.mayWrite(state, command, writer) ??
    refuse.argumentFault(state, command, writer) ??
    refuse.preconditionFault(state, writer)
  if (refusal) return reject(judged(refusal, state))
  const decided = decide(state, command, writer)
  return decided.ok ? decided : reject(judged(decided.rejection, state))
}

/** A refusal names the version it was judged at; of a block that does not exist there is none. */
function judged(refusal: Rejection, state: BlockState): Rejection {
  return state.version === 0 ? refusal : { ...refusal, atVersion: state.version }
}

function decide(state: BlockState, command: BlockCommand, writer: Writer): Decided<BlockEvent[]> {
  switch (command.type) {
    case 'InsertText':
      return edit.insert(state, command.text, command.place)
    case 'ReplaceText':
      return edit.replace(state, command, writer)
    case 'RethinkBlock':
      return edit.rethink(state, command.text, state.settings.limit, writer)
    case 'PatchBlock':
      return edit.patch(state, command, writer)
    default:
      return command satisfies never
  }
}
