import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import type { Receipt } from '#domain/block-events.js'
import type { Decision, States } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import { type BlockChange, judgeChange, wantedBy, writerOf } from './block-change.js'
import { type CommandMetadata, type Outcome, outcome, submit } from './metadata.js'

export interface BlockChanged {
  readonly block_id: string
  /** The block's version after the command. */
  readonly version: number
  readonly changed: boolean
  /** What the edit did, and what it overwrote; null when it did nothing to the text. */
  readonly receipt: Receipt | null
}

/** One command on one block; renaming and deleting concern its agents too, in the same unit. */
export class ChangeBlock extends Command<Outcome<BlockChanged>> {
  constructor(
    readonly blockId: string,
    readonly change: BlockChange,
    readonly by: CommandMetadata,
  ) {
    super()
  }
}

@CommandHandler(ChangeBlock)
export class ChangeBlockHandler implements ICommandHandler<ChangeBlock> {
  constructor(private readonly writer: Writer) {}

  async execute({ blockId, change, by }: ChangeBlock): Promise<Outcome<BlockChanged>> {
    const verdict = await submit(this.writer, by, {
      streams: [blockId],
      decide: (states) => decide(states, blockId, change, by),
    })
    return outcome(verdict)
  }
}

function decide(
  states: States,
  blockId: string,
  change: BlockChange,
  by: CommandMetadata,
): Decision<BlockChanged> {
  const edit = { blockId, change }
  const writer = writerOf(by, by)
  const wanted = wantedBy(states, edit, writer)
  if (wanted) return wanted
  const judged = judgeChange(states, edit, writer)
  if (!judged.ok) return { rejection: judged.rejection }
  const { appends, receipt } = judged.value
  const own = appends.filter((append) => append.streamId === blockId).length
  const version = states.block(blockId).version + own
  return { appends, result: { block_id: blockId, version, changed: own > 0, receipt } }
}
