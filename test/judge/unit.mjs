// Operations as units of work: made by the very handlers that the service has, and caught before they reach a writer.
import { ChangeBlock, ChangeBlockHandler } from '#commands/change-block.js'
import { ChangeBlocks, ChangeBlocksHandler } from '#commands/change-blocks.js'
import { RunToolStep, RunToolStepHandler } from '#commands/run-tool-step.js'
import { nextRequest, TERMINAL } from './specification.mjs'

/**
 * @param {import('./record.mjs').Operation} operation
 * @param {Buffer} fingerprint of what is asked
 * @returns {any} a unit of work of `libs/event-store/unit.ts`
 */
export function unitOf({ kind, edits, actor, command, tool }, fingerprint) {
  const [edit] = edits
  const { baseVersion, ifMatch } = edit ?? {}
  const by = { tenantId: 'default', actor, command: { id: command, fingerprint } }
  if (kind === 'batch') return caught(ChangeBlocksHandler, new ChangeBlocks(edits, by))
  if (kind === 'edit') {
    const whole = { ...by, baseVersion: baseVersion ?? null, ifMatch: ifMatch ?? null }
    return caught(ChangeBlockHandler, new ChangeBlock(edit.blockId, edit.change, whole))
  }
  const step = { ...tool, edits, terminal: TERMINAL, request: nextRequest, describe }
  const correlation = { run_id: tool.runId, step: tool.step, tool_call_id: tool.toolCallId }
  return caught(
    RunToolStepHandler,
    new RunToolStep(step, { ...by, epoch: tool.epoch, correlation }),
  )
}

/** The handler hands its unit over before it waits for anything. */
function caught(Handler, command) {
  let unit
  const writer = {
    submit(given) {
      unit = given
      return new Promise(() => {})
    },
  }
  void new Handler(writer).execute(command)
  return unit
}

/** What the model is told: as `specification.mjs` has it. */
function describe(judgements) {
  const { blockId, verdict } = judgements.at(-1)
  if (!verdict.ok) {
    const { code, atVersion } = verdict.rejection
    return {
      status: 'error',
      result: code,
      code,
      block: { block_id: blockId, version: atVersion, changed: false },
    }
  }
  const { version } = verdict.changed
  const changed = judgements.some((one) => one.verdict.changed.changed)
  return { status: 'success', result: 'ok', block: { block_id: blockId, version, changed } }
}
