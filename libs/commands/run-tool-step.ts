import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs'
import { decideBlock } from '#domain/block.js'
import type { BlockCommand } from '#domain/block-events.js'
import type { BlockState } from '#domain/block-state.js'
import { unseen } from '#domain/block-state.js'
import type { Rejection } from '#domain/errors.js'
import type { TextChange } from '#domain/recent-changes.js'
import type { Append } from '#domain/streams.js'
import { apply } from '#domain/text.js'
import type { StepState } from '#domain/turn.js'
import type { Seen, ToolReturn } from '#domain/turn-events.js'
import { type RequestedPayload, recordReturn } from '#domain/turn-steps.js'
import type { Verdict } from '#event-store/unit.js'
import { Writer } from '#event-store/writer.js'
import { type BlockChanged, changed } from './change-block.js'
import type { CommandMetadata } from './metadata.js'

/** How a block judged a tool's command: the tool return is written from it. */
export interface BlockJudgement {
  readonly label: string
  readonly limit: number
  /** The block's version after the command. */
  readonly version: number
  /** What the model had seen, if anybody knows. */
  readonly baseVersion: number | null
  /** Changes by others since then. */
  readonly unseen: readonly TextChange[]
  /** The text as it is now. */
  readonly text: string
  readonly verdict:
    | { readonly ok: true; readonly changed: BlockChanged }
    | { readonly ok: false; readonly rejection: Rejection }
}

export type ToolReturnText = Pick<ToolReturn, 'status' | 'result' | 'code' | 'block' | 'seen'>

/** The block command of a tool call; null for tools that touch no block. */
export interface BlockEdit {
  readonly blockId: string
  readonly command: BlockCommand
}

export interface ToolStep {
  readonly runId: string
  readonly agentId: string
  readonly step: number
  readonly index: number
  readonly toolCallId: string
  readonly edit: BlockEdit | null
  /** Words for the model; `judgement` is null when there is no block command. Pure. */
  readonly describe: (judgement: BlockJudgement | null) => ToolReturnText
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
    readonly by: CommandMetadata & { readonly epoch: number },
  ) {
    super()
  }
}

@CommandHandler(RunToolStep)
export class RunToolStepHandler implements ICommandHandler<RunToolStep> {
  constructor(private readonly writer: Writer) {}

  execute({ tool, by }: RunToolStep): Promise<Verdict<{ readonly version: number }>> {
    const { runId, edit } = tool
    return this.writer.submit<{ readonly version: number }>({
      tenantId: by.tenantId,
      streams: edit ? [runId, edit.blockId] : [runId],
      actor: by.actor,
      correlation: by.correlation ?? null,
      fence: { agentId: tool.agentId, epoch: by.epoch },
      ...(by.command ? { command: by.command } : {}),
      decide: (states) => {
        const turn = states.turn(runId)
        const judged = edit ? judge(states.block(edit.blockId), edit.command, by) : null
        const returned: ToolReturn = {
          step: tool.step,
          index: tool.index,
          tool_call_id: tool.toolCallId,
          ...tool.describe(judged?.judgement ?? null),
        }
        const events = recordReturn(turn, returned, tool.terminal, tool.request)
        if (events.length === 0) return { appends: [], result: { version: turn.version } }
        const appends: Append[] = [
          ...(judged?.appends ?? []),
          ...events.map((event) => ({ streamId: runId, event })),
        ]
        return { appends, result: { version: turn.version + events.length } }
      },
    })
  }
}

/** Decides a block command and keeps what its tool return is written from. Pure. */
export function judge(
  block: BlockState,
  command: BlockCommand,
  by: Pick<CommandMetadata, 'actor' | 'baseVersion' | 'correlation'>,
): { appends: Append[]; judgement: BlockJudgement } {
  const baseVersion = by.baseVersion ?? null
  const writer = { actor: by.actor, baseVersion, runId: by.correlation?.run_id ?? null }
  const decided = decideBlock(block, command, writer)
  const common = {
    label: block.settings.label,
    limit: block.settings.limit,
    baseVersion,
    unseen: unseen(block, writer),
  }
  if (!decided.ok) {
    const verdict = { ok: false as const, rejection: decided.rejection }
    return {
      appends: [],
      judgement: { ...common, version: block.version, text: block.value, verdict },
    }
  }
  const appends = decided.value.map((event) => ({ streamId: block.id, event, baseVersion }))
  const version = block.version + appends.length
  const text = decided.value.reduce(
    (value, { payload }) => apply(value, payload.effect),
    block.value,
  )
  const verdict = { ok: true as const, changed: changed(block.id, version, appends) }
  return { appends, judgement: { ...common, version, text, verdict } }
}
