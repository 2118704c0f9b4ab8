// What clients write down of their operations, and what is dumped of the log in the end: all a judge is given.
import { hash } from 'node:crypto'

/**
 * @typedef {object} Edit A change of one block, and what its writer had seen of that block.
 * @property {string} blockId
 * @property {any} change a `BlockChange` of `libs/commands/block-change.ts`
 * @property {number | null} [baseVersion]
 * @property {number | '*' | null} [ifMatch]
 *
 * @typedef {object} ToolCall The turn whose journal gets a return in the same commit.
 * @property {string} runId
 * @property {string} agentId
 * @property {number} epoch the claim under which it is made
 * @property {number} step
 * @property {number} index
 * @property {string} toolCallId
 *
 * @typedef {Readonly<Record<string, number>>} Versions by stream id
 *
 * @typedef {{ readonly version: number, readonly digest: string }} Sight what a read gave of one block
 *
 * @typedef {{ readonly status: 'ok', readonly version: Versions, readonly changed?: boolean, readonly receipt?: unknown }
 *   | { readonly status: 'rejected', readonly code: string, readonly at: Versions | null }
 *   | { readonly status: 'read', readonly blocks: Readonly<Record<string, Sight>> }
 *   | { readonly status: 'previewed', readonly at: Versions, readonly events: readonly (readonly [string, string, unknown])[] }
 *   | { readonly status: 'claimed', readonly epoch: number }
 *   | { readonly status: 'fenced' }
 *   | { readonly status: 'unknown' }} Outcome
 * `changed`: absent where the wire does not say. `at`: the versions a refusal was judged at; null where the wire names
 * none. `previewed`: of a dry run, stream, type and payload of what would be written. `unknown`: it may take effect at
 * any later time or never.
 *
 * @typedef {object} Operation
 * @property {string} op_id
 * @property {string} command its command id: a retry has the same one
 * @property {string} process who asked
 * @property {'edit' | 'batch' | 'tool' | 'read' | 'claim'} kind
 * @property {readonly Edit[]} edits of a read and a claim none
 * @property {{ readonly kind: string, readonly id: string }} [actor]
 * @property {ToolCall} [tool]
 * @property {string} [agentId] of a claim
 * @property {number} [atVersion] a read of the past
 * @property {number} t_invoke of one clock for all processes (`process.hrtime`), in any unit
 * @property {number} t_return
 * @property {Outcome} outcome
 *
 * @typedef {object} LogEvent
 * @property {string} stream
 * @property {number} version
 * @property {number} position
 * @property {string} type
 * @property {any} payload
 * @property {string} command
 * @property {any} actor
 * @property {any} correlation
 * @property {string} recordedAt
 *
 * @typedef {object} Log
 * @property {ReadonlyMap<string, { readonly state: any, readonly events: readonly any[] }>} base streams before the first event of `events`, folded; one not named begins empty
 * @property {readonly LogEvent[]} events in any order
 * @property {Readonly<Record<string, { readonly version: number, readonly length: number, readonly value: string | null }>>} heads
 * @property {readonly (readonly { readonly stream: string, readonly version: number }[])[]} feeds what each consumer was given, in its order
 */

/**
 * Stands for a text: two texts with the same digest are taken to be equal.
 *
 * @param {string} text
 */
export function digest(text) {
  return hash('sha256', text, 'base64url').slice(0, 16)
}

/**
 * One operation a line.
 *
 * @param {readonly Operation[]} history
 */
export function toLines(history) {
  return history.map((operation) => `${JSON.stringify(operation)}\n`).join('')
}

/**
 * @param {string} lines
 * @returns {Operation[]}
 */
export function fromLines(lines) {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
