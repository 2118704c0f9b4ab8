import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import type { Append } from '#domain/streams.js'
import type { Decision } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import { type BlockEdit, judgeChange, wantedBy, writerOf } from './block-change.js'
import type { BlockChanged } from './change-block.js'
import { DraftedStates } from './drafted-states.js'
import { type CommandMetadata, type Outcome, outcome, submit } from './metadata.js'

/**
 * Several changes of one or several blocks in one commit, all or none. Each sees what the ones before it
 * did; a refusal names the member that was refused, by its place from 0, as the fact `member`.
 */
export class ChangeBlocks extends Command<Outcome<readonly BlockChanged[]>> {
  constructor(
    readonly edits: readonly BlockEdit[],
    readonly by: CommandMetadata,
  ) {
    super()
  }
}

@CommandHandler(ChangeBlocks)
export class ChangeBlocksHandler implements ICommandHandler<ChangeBlocks> {
  constructor(private readonly writer: Writer) {}

  async execute({ edits, by }: ChangeBlocks): Promise<Outcome<readonly BlockChanged[]>> {
    const verdict = await submit(this.writer, by, {
      streams: [...new Set(edits.map((edit) => edit.blockId))],
      decide: (states, now) => decideEdits(new DraftedStates(states, { ...by, now }), edits, by),
    })
    return outcome(verdict)
  }
}

/** Decides the edits one after another, each on what the ones before it leave in `drafted`. */
export function decideEdits(
  drafted: DraftedStates,
  edits: readonly BlockEdit[],
  by: Pick<CommandMetadata, 'actor' | 'correlation'>,
): Decision<BlockChanged[]> {
  const appends: Append[] = []
  const results: BlockChanged[] = []
  for (const [member, edit] of edits.entries()) {
    const writer = writerOf(by, edit)
    const wanted = wantedBy(drafted, edit, writer)
    if (wanted) return wanted
    const judged = judgeChange(drafted, edit, writer)
    if (!judged.ok) {
      const { rejection } = judged
      return { rejection: { ...rejection, facts: { ...rejection.facts, member } } }
    }
    const { appends: more, receipt } = judged.value
    drafted.add(more)
    appends.push(...more)
    const { id, version } = drafted.block(edit.blockId)
    const changed = more.some(({ streamId }) => streamId === id)
    results.push({ block_id: id, version, changed, receipt })
  }
  return { appends, result: results }
}
