import type { Actor } from '#domain/actor.js'
import { createBlock, decideBlock } from '#domain/block.js'
import type { BlockDecision, BlockEvent } from '#domain/block-events.js'
import { evolveBlock, initialBlock } from '#domain/block-state.js'
import type { Decided, Recorded } from '#domain/event.js'
import { chainHash, GENESIS, type Header, headerBytes, payloadHash } from '#event-store/chain.js'

const BLOCK = 'block-00000000-0000-4000-8000-000000000001'
const RUN = 'run-00000000-0000-4000-8000-000000000002'
const AGENT = 'agent-00000000-0000-4000-8000-000000000003'

/** The first two events of a block, with the bytes that are hashed: the worked example of `docs/log.md`. */
export function logExample(): string {
  const made = only(createBlock(initialBlock(BLOCK), 'Organization: Letta', { label: 'company' }))
  const first = written(GENESIS, made, '000102030405060708090a0b0c0d0e0f', {
    version: 1,
    actor: { kind: 'user', id: 'local' },
    commandId: 'cmd-00000000-0000-4000-8000-000000000004',
    correlation: null,
    baseVersion: null,
    recordedAt: '2026-01-02T03:04:05.678Z',
  })
  const agent: Actor = { kind: 'agent', id: AGENT, name: 'agent1' }
  const state = {
    ...evolveBlock(initialBlock(BLOCK), first.event),
    attached: { [AGENT]: 'edit' as const },
  }
  const insert = {
    type: 'InsertText',
    text: 'Agent1: 😀',
    place: { at: 'end' },
    numbered: true,
  } as const
  const inserted = only(decideBlock(state, insert, { actor: agent, baseVersion: 1 }))
  const second = written(first.hash, inserted, '101112131415161718191a1b1c1d1e1f', {
    version: 2,
    actor: agent,
    commandId: `${RUN}/2/0`,
    correlation: { run_id: RUN, step: 2, tool_call_id: 'call_1', epoch: 1 },
    baseVersion: 1,
    recordedAt: '2026-01-02T03:04:06.000Z',
  })
  return [first.text, second.text].join('\n')
}

type Written = Omit<Recorded<BlockEvent>, 'type' | 'payload'>

function written(prev: Buffer, event: BlockEvent, saltHex: string, by: Written) {
  const header: Header = {
    tenantId: 'default',
    streamId: BLOCK,
    type: event.type,
    schema: 1,
    ...by,
  }
  const salt = Buffer.from(saltHex, 'hex')
  const payload = JSON.stringify(event.payload)
  const hashOfPayload = payloadHash(salt, payload)
  const hash = chainHash(prev, hashOfPayload, header)
  const bytes = headerBytes(header)
  const text = [
    `Version ${by.version}, \`${event.type}\`:`,
    '',
    '```text',
    `payload       ${payload}`,
    `salt          ${saltHex}`,
    `payload_hash  ${hashOfPayload.toString('hex')}`,
    `header        ${bytes.toString('utf8')}`,
    `              (${bytes.length} bytes)`,
    `prev_hash     ${prev.toString('hex')}`,
    `hash          ${hash.toString('hex')}`,
    '```',
    '',
  ].join('\n')
  return { event: { ...event, ...by } as Recorded<BlockEvent>, hash, text }
}

function only(decided: Decided<BlockDecision>): BlockEvent {
  const event = decided.ok ? decided.value.events[0] : undefined
  if (!event) throw new Error('the example was refused')
  return event
}
