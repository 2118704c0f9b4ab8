import type { Actor, Correlation } from '#domain/actor.js'
import { decoded, isoTime, RowFields } from './event-row.js'
import type { FeedEvent } from './feed-event.js'

/** A look-up for each row, never a join: no plan may read the whole of `turns` for a few events. */
export const TURN_OF = `case when e.stream_id like 'run-%' then
         (select t.agent_id from turns t where t.tenant_id = e.tenant_id and t.run_id = e.stream_id)
       end`

/** The columns of a row in the order in which they are read: first what every reader looks at. */
export const FEED_COLUMNS = `e.position, e.version, e.tenant_id, e.stream_id, e.type,
       e.recorded_at, e.base_version, e.hash, e.actor, e.command_id, e.correlation, e.payload, ${TURN_OF}`

/** What stands behind the first columns, still as bytes. */
interface Rest {
  readonly recordedAt: string
  readonly baseVersion: number | null
  readonly hash: string
  readonly actor: string
  readonly commandId: string
  readonly correlation: string | null
  readonly payload: string | null
  readonly turnOf: string | null
}

/**
 * An event of the feed as it came from the server. Most readers look at its place and its type, so
 * nothing else is read until somebody asks, and then once for all readers.
 */
class FeedRow implements FeedEvent {
  readonly position: number
  readonly version: number
  readonly tenantId: string
  readonly streamId: string
  readonly type: string
  private readonly restAt: number
  private read: Rest | null = null
  private readActor: Actor | undefined = undefined
  private readPayload: object | null | undefined = undefined

  constructor(private readonly row: string) {
    const fields = new RowFields(row)
    this.position = fields.bigint()
    this.version = fields.int() as number
    this.tenantId = decoded(fields.bytes() as string)
    this.streamId = decoded(fields.bytes() as string)
    this.type = decoded(fields.bytes() as string)
    this.restAt = fields.at
  }

  get recordedAt(): string {
    return this.rest.recordedAt
  }

  get baseVersion(): number | null {
    return this.rest.baseVersion
  }

  get hash(): Buffer {
    return Buffer.from(this.rest.hash, 'latin1')
  }

  get actor(): Actor {
    this.readActor ??= JSON.parse(decoded(this.rest.actor)) as Actor
    return this.readActor
  }

  get commandId(): string {
    return decoded(this.rest.commandId)
  }

  get correlation(): Correlation | null {
    const { correlation } = this.rest
    return correlation === null ? null : JSON.parse(decoded(correlation))
  }

  get payload(): object | null {
    if (this.readPayload === undefined) {
      const { payload } = this.rest
      this.readPayload = payload === null ? null : (JSON.parse(decoded(payload)) as object)
    }
    return this.readPayload
  }

  get turnOf(): string | null {
    const { turnOf } = this.rest
    return turnOf === null ? null : decoded(turnOf)
  }

  private get rest(): Rest {
    this.read ??= readRest(new RowFields(this.row, this.restAt))
    return this.read
  }
}

function readRest(fields: RowFields): Rest {
  return {
    recordedAt: isoTime(fields.time()),
    baseVersion: fields.int(),
    hash: fields.bytes() as string,
    actor: fields.bytes() as string,
    commandId: fields.bytes() as string,
    correlation: fields.bytes(),
    payload: fields.bytes(),
    turnOf: fields.bytes(),
  }
}

/** @param row of a COPY of `FEED_COLUMNS` in the binary format, as a binary string. */
export function readFeedRow(row: string): FeedEvent {
  return new FeedRow(row)
}
