import type {
  BlockCommand,
  BlockDecision,
  BlockSettings,
  SettingsPatch,
  Writer,
} from './block-events.js'
import { decided } from './block-events.js'
import { insert } from './block-insert.js'
import { patchText } from './block-patch.js'
import * as refuse from './block-preconditions.js'
import { limitExceeded } from './block-refusals.js'
import { replace } from './block-replace.js'
import { restore, rethink } from './block-rethink.js'
import { patch } from './block-settings.js'
import { BLANK_SETTINGS, type BlockState, missingPast } from './block-state.js'
import { revert } from './block-undo.js'
import { type Rejection, rejection } from './errors.js'
import { accept, type Decided, reject } from './event.js'
import * as text from './text.js'

/** What a creator says of a block; the rest has its defaults. */
export type NewBlockSettings = SettingsPatch & { readonly label: string }

/** A new block. `settings` are complete but for what may be left out. */
export function createBlock(
  state: BlockState,
  value: string,
  settings: NewBlockSettings,
): Decided<BlockDecision> {
  if (state.version > 0) {
    return reject(
      rejection('already_exists', `Block ${state.id} already exists`, { block_id: state.id }),
    )
  }
  const policies = { ...BLANK_SETTINGS.policies, ...settings.policies }
  const complete: BlockSettings = { ...BLANK_SETTINGS, ...settings, policies }
  const fault = refuse.labelFault(complete.label)
  if (fault) return reject(fault)
  const length = text.length(value)
  if (length > complete.limit) return reject(limitExceeded(state, length, complete.limit))
  const effect = value === '' ? [] : [{ offset: 0, delete: 0, insert: value }]
  const payload = { intent: { ...complete, value }, effect, length }
  return accept(decided([{ type: 'BlockCreated', payload }], null))
}

/**
 * Judges an edit on the text as it is now. Order of checks: the block exists, the actor may write,
 * the arguments, `If-Match`, the rule of the operation, the limit, no change.
 *
 * @param state must remember what the command asks about: `missingPast` says if it does.
 */
export function decideBlock(
  state: BlockState,
  command: BlockCommand,
  writer: Writer,
): Decided<BlockDecision> {
  const since = missingPast(state, command, writer)
  if (since !== null) throw new Error(`${state.id} does not remember its version ${since}`)
  const refusal =
    refuse.missing(state) ??
    refuse.mayWrite(state, command, writer) ??
    refuse.argumentFault(state, command, writer) ??
    refuse.preconditionFault(state, writer)
  if (refusal) return reject(judged(refusal, state))
  const decision = decide(state, command, seen(state, writer))
  return decision.ok ? decision : reject(judged(decision.rejection, state))
}

/** An `If-Match` that holds says that its writer has seen the block as it is. */
function seen(state: BlockState, writer: Writer): Writer {
  if (writer.baseVersion !== null || typeof writer.ifMatch !== 'number') return writer
  return { ...writer, baseVersion: state.version }
}

/** A refusal names the version it was judged at; of a block that does not exist there is none. */
function judged(refusal: Rejection, state: BlockState): Rejection {
  return state.version === 0 ? refusal : { ...refusal, atVersion: state.version }
}

function decide(state: BlockState, command: BlockCommand, writer: Writer): Decided<BlockDecision> {
  switch (command.type) {
    case 'InsertText':
      return insert(state, command, writer)
    case 'ReplaceText':
      return replace(state, command, writer)
    case 'PatchText':
      return patchText(state, command, writer)
    case 'RethinkBlock':
      return rethink(state, command, writer)
    case 'RevertEdit':
      return revert(state, command)
    case 'RestoreBlock':
      return restore(state, command, writer)
    case 'PatchBlock':
      return patch(state, command, writer)
    default:
      return command satisfies never
  }
}
