import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import type { Rejection } from '#domain/errors.js'
import type { Append } from '#domain/streams.js'
import type { StepState } from '#domain/turn.js'
import type { Seen, ToolReturn } from '#domain/turn-events.js'
import { type RequestedPayload, recordReturn } from '#domain/turn-steps.js'
import type { MailboxClaim, States, Verdict, Wanted } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import { type BlockEdit, writerOf } from './block-change.js'
import { type BlockJudgement, judgementOf } from './block-judgement.js'
import { decideEdits } from './change-blocks.js'
import { DraftedStates } from './drafted-states.js'
import { type CommandMetadata, submit } from './metadata.js'

export type ToolReturnText = Pick<
  ToolReturn,
  'status' | 'result' | 'code' | 'args' | 'block' | 'blocks' | 'seen'
>

export interface ToolStep {
  readonly runId: string
  readonly agentId: string
  readonly step: number
  readonly index: number
  readonly toolCallId: string
  /** What the call does to blocks, all or none of it; most tools touch no block. */
  readonly edits: readonly BlockEdit[]
  /** Words for the model: from how each edit was judged, or from how the one that was refused was. Pure. */
  readonly describe: (judgements: readonly BlockJudgement[]) => ToolReturnText
  readonly terminal: ReadonlySet<string>
  /** The next model request, if this is the step's last return. Pure. */
  readonly request: (step: number, seen: Seen, withReturn: StepState) => RequestedPayload
}

/**
 * A tool call's return and the edit it made, in one commit: `ToolReturned` is appended whether the
 * block accepted or refused, so "the edit happened" and "the turn knows it" cannot come apart.
 */
export class RunToolStep extends Command<Verdict<{ readonly version: number }>> {
  constructor(
    readonly tool: ToolStep,
    readonly by: CommandMetadata & MailboxClaim,
  ) {
    super()
  }
}

@CommandHandler(RunToolStep)
export class RunToolStepHandler implements ICommandHandler<RunToolStep> {
  constructor(private readonly writer: Writer) {}

  execute({ tool, by }: RunToolStep): Promise<Verdict<{ readonly version: number }>> {
    const { runId, edits, agentId } = tool
    return submit(this.writer, by, {
      streams: [...new Set([runId, ...edits.map((edit) => edit.blockId)])],
      fence: { agentId, epoch: by.epoch, owner: by.owner },
      decide: (states, now) => {
        const turn = states.turn(runId)
        const judged = judgeEdits(states, edits, { ...by, now })
        if ('wanted' in judged) return judged.wanted
        const returned: ToolReturn = {
          step: tool.step,
          index: tool.index,
          tool_call_id: tool.toolCallId,
          ...tool.describe(judged.judgements),
        }
        const events = recordReturn(turn, returned, tool.terminal, tool.request)
        if (events.length === 0) return { appends: [], result: { version: turn.version } }
        const appends = [...judged.appends, ...events.map((event) => ({ streamId: runId, event }))]
        const result = { version: turn.version + events.length }
        return judged.refused ? { appends, result, refused: judged.refused } : { appends, result }
      },
    })
  }
}

type JudgedEdits =
  | { readonly wanted: Wanted }
  | {
      readonly appends: readonly Append[]
      readonly judgements: readonly BlockJudgement[]
      readonly refused?: { readonly streamId: string; readonly rejection: Rejection }
    }

/** Decides a tool's edits and keeps what its return is written from. Pure. */
export function judgeEdits(
  states: States,
  edits: readonly BlockEdit[],
  by: Pick<CommandMetadata, 'actor' | 'correlation'> & { readonly now: string },
): JudgedEdits {
  const drafted = new DraftedStates(states, by)
  const decision = decideEdits(drafted, edits, by)
  if ('needs' in decision || 'since' in decision) return { wanted: decision }
  const judged = (edit: BlockEdit, after: States, verdict: BlockJudgement['verdict']) =>
    judgementOf(
      states.block(edit.blockId),
      after.block(edit.blockId),
      edit.change,
      writerOf(by, edit),
      verdict,
    )
  if ('rejection' in decision) {
    const { rejection } = decision
    const refused = edits[rejection.facts.member as number] as BlockEdit
    const judgements = [judged(refused, states, { ok: false, rejection })]
    return { appends: [], judgements, refused: { streamId: refused.blockId, rejection } }
  }
  const judgements = decision.result.map((changed, i) =>
    judged(edits[i] as BlockEdit, drafted, { ok: true, changed }),
  )
  return { appends: decision.appends, judgements }
}
