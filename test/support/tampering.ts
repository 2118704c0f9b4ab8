import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { chainHash, GENESIS, payloadHash } from '#event-store/chain.js'
import { lengthOf, textOf } from '#event-store/statement.js'
import { foldStreams, readChain } from '#event-store/stream-reader.js'
import { tenantId } from './log.js'

/** An event as whoever tampers picks it: `index` is its place in the log, from 0. */
export interface Target {
  readonly index: number
  readonly streamId: string
  readonly version: number
  readonly position: string
}

/** A log somebody with every right on the database lays hands on. */
export interface TamperScene {
  readonly client: pg.Client
  readonly events: readonly Target[]
  /** From 0 up to, but not including, `below`. */
  pick(below: number): number
}

/** @returns the index at which a verification must say that the log goes wrong. */
export type Tampering = (scene: TamperScene) => Promise<number>

/** The eight kinds, and whether a chain alone can tell. */
export const TAMPERINGS: Readonly<Record<string, { tamper: Tampering; chainTells: boolean }>> = {
  'a payload is edited': { tamper: editPayload, chainTells: true },
  'an event in the middle is deleted': { tamper: deleteOne, chainTells: true },
  'two events are swapped': { tamper: swapTwo, chainTells: true },
  'a forged event is appended': { tamper: appendForged, chainTells: true },
  'the tail is cut off': { tamper: cutTail, chainTells: false },
  'everything is deleted': { tamper: deleteAll, chainTells: false },
  'the chain is computed anew from a forged event': { tamper: recompute, chainTells: false },
  'a time or an actor is changed': { tamper: editHeader, chainTells: true },
}

/** Opens a log as superuser, with the triggers off. */
export async function openScene(url: string, pick: TamperScene['pick']): Promise<TamperScene> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('set session_replication_role = replica')
  const { rows } = await client.query(
    'select stream_id, version, position from events where tenant_id = $1 order by position',
    [tenantId],
  )
  const events = rows.map((row, index) => ({
    index,
    streamId: row.stream_id as string,
    version: row.version as number,
    position: row.position as string,
  }))
  return { client, events, pick }
}

const AT = 'where tenant_id = $1 and stream_id = $2 and version = $3'

function at({ streamId, version }: Target): [string, string, number] {
  return [tenantId, streamId, version]
}

function any({ events, pick }: TamperScene): Target {
  return events[pick(events.length)] as Target
}

async function editPayload(scene: TamperScene): Promise<number> {
  const target = any(scene)
  await scene.client.query(
    `update events set payload = replace(payload::text, '"effect"', '"Effect"')::json ${AT}`,
    at(target),
  )
  return target.index
}

/** Not the last one of the log: that is a tail. */
async function deleteOne(scene: TamperScene): Promise<number> {
  const target = scene.events[scene.pick(scene.events.length - 1)] as Target
  await scene.client.query(`delete from events ${AT}`, at(target))
  return target.index
}

/** Of one stream: each takes the other's version. */
async function swapTwo(scene: TamperScene): Promise<number> {
  const { client, events, pick } = scene
  const pairs = events.filter(({ version }) => version > 1)
  const second = pairs[pick(pairs.length)] as Target
  const first = events.find(
    (e) => e.streamId === second.streamId && e.version === second.version - 1,
  ) as Target
  await client.query(`update events set version = 2000000000 ${AT}`, at(first))
  await client.query(`update events set version = ${first.version} ${AT}`, at(second))
  await client.query(
    `update events set version = ${second.version} ${AT}`,
    at({ ...first, version: 2_000_000_000 }),
  )
  return first.index
}

/** By somebody who fills in whatever hash. */
async function appendForged(scene: TamperScene): Promise<number> {
  const { client, events } = scene
  const target = any(scene)
  const { rows } = await client.query<{ version: number }>(
    'select version from streams where tenant_id = $1 and stream_id = $2',
    [tenantId, target.streamId],
  )
  const hash = randomBytes(32)
  const head = rows[0]?.version as number
  await client.query(
    `insert into events (tenant_id, stream_id, version, type, schema, actor, command_id, base_version,
         recorded_at, payload, salt, payload_hash, prev_hash, hash)
     select tenant_id, stream_id, version + 1, type, schema, actor, 'forged', base_version,
         recorded_at, payload, salt, payload_hash, hash, $4 from events ${AT}`,
    [...at({ ...target, version: head }), hash],
  )
  await client.query(
    'update streams set version = version + 1, hash = $3 where tenant_id = $1 and stream_id = $2',
    [tenantId, target.streamId, hash],
  )
  return events.length
}

/** With everything that would show it put right. */
async function cutTail(scene: TamperScene): Promise<number> {
  const { client, events } = scene
  const target = any(scene)
  const streams = new Set(events.slice(target.index).map(({ streamId }) => streamId))
  await client.query('delete from events where position >= $1', [target.position])
  await mendHeads(client, [...streams])
  await client.query('delete from audit_checkpoints where last_position >= $1', [target.position])
  await client.query('delete from audit_subtrees where last_position >= $1', [target.position])
  return target.index
}

async function deleteAll({ client }: TamperScene): Promise<number> {
  await client.query(
    'truncate events, streams, snapshots, command_results, audit_checkpoints, audit_subtrees',
  )
  return 0
}

/** By somebody who knows the chain: a word is changed, and every hash after it computed again. */
async function recompute(scene: TamperScene): Promise<number> {
  const { client } = scene
  const target = any(scene)
  const { streamId } = target
  const links = await readChain(client, tenantId, streamId)
  let prev = links[target.version - 2]?.hash ?? GENESIS
  for (const link of links.slice(target.version - 1)) {
    const { version } = link.header
    const payload =
      version === target.version ? (link.payload as string).replace('{', '{ ') : link.payload
    const salt = link.salt as Buffer
    const digest = payloadHash(salt, payload as string)
    const hash = chainHash(prev, digest, link.header)
    await client.query(
      `update events set payload = $4, payload_hash = $5, prev_hash = $6, hash = $7 ${AT}`,
      [tenantId, streamId, version, payload, digest, prev, hash],
    )
    prev = hash
  }
  await mendHeads(client, [streamId])
  await client.query('delete from audit_checkpoints where last_position >= $1', [target.position])
  await client.query('delete from audit_subtrees where last_position >= $1', [target.position])
  return target.index
}

async function editHeader(scene: TamperScene): Promise<number> {
  const target = any(scene)
  const change =
    scene.pick(2) === 0
      ? `recorded_at = recorded_at - interval '1 day'`
      : `actor = '{"kind":"user","id":"somebody-else"}'`
  await scene.client.query(`update events set ${change} ${AT}`, at(target))
  return target.index
}

/** Heads as the remaining events give them. */
async function mendHeads(client: pg.Client, streamIds: readonly string[]): Promise<void> {
  await client.query('truncate snapshots')
  for (const stream of (await foldStreams(client, tenantId, streamIds)).values()) {
    const { streamId, version, hash, state } = stream
    await client.query(
      version === 0
        ? 'delete from streams where tenant_id = $1 and stream_id = $2'
        : `update streams set version = $3, hash = $4, value = $5, length = $6
            where tenant_id = $1 and stream_id = $2`,
      version === 0
        ? [tenantId, streamId]
        : [tenantId, streamId, version, hash, textOf(state), lengthOf(state)],
    )
  }
}
