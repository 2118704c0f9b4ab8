import {
  type BlockState,
  type ChangeReference,
  RECENT_CHANGES_MAX,
  type TextChange,
  type Writer,
} from './block.js'

/** Changes of the text after the base version, by others than the writer's own turn. */
export function unseen(state: BlockState, writer: Writer): TextChange[] {
  const base = writer.baseVersion
  if (base === null) return []
  return state.recent.filter(
    (change) => change.version > base && (change.runId === null || change.runId !== writer.runId),
  )
}

/** True when the block no longer remembers every change since the base version. */
export function forgotten(state: BlockState, writer: Writer): boolean {
  const oldest = state.recent[0]
  return (
    writer.baseVersion !== null &&
    oldest !== undefined &&
    state.recent.length >= RECENT_CHANGES_MAX &&
    oldest.version > writer.baseVersion + 1
  )
}

/** Receipts and refusals name a change; they never copy its text. */
export function reference({ version, actor, type }: TextChange): ChangeReference {
  return { version, actor, type }
}
