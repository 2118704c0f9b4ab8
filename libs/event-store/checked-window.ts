import type { Splice } from '#domain/text.js'
import { editPlace } from './edit-payload.js'
import type { EventFault } from './event-check.js'
import { decoded } from './event-row.js'
import { type CheckedEvent, effectIn } from './log-check.js'
import type { RowCheck } from './row-check.js'
import { type RowBytes, RowWindow, type WindowMessage } from './row-window.js'

/** Of an edit: its offset, how much it deletes, and where the JSON of its insert stands in the window. */
const EDIT_NUMBERS = 4
const NUMBER_MAX = 0x7fff_ffff
const LENGTH_BYTES = 4
/** Behind the number of fields, position and version. */
const FIELDS_AT = 2 + (LENGTH_BYTES + 8) + (LENGTH_BYTES + 4)
/** In JSON: what is not the text itself, between quotes. */
const UNLIKE_TEXT = /[\\\x80-\xff]/

/** A window on its way back from the thread that checked it. */
export interface CheckedMessage extends WindowMessage {
  /** By the index of the row. */
  readonly faults: ReadonlyMap<number, EventFault>
  readonly edits: ArrayBuffer
}

/** All that can be told of each row by itself. Of `ROW_COLUMNS`. */
export function checkWindow(message: WindowMessage, check: RowCheck): CheckedMessage {
  const faults = new Map<number, EventFault>()
  const edits = new Int32Array(EDIT_NUMBERS * message.rows)
  const fields = new Fields()
  let index = 0
  RowWindow.received(message).each((bytes, start, end) => {
    const fault = check.fault(bytes, start, end)
    if (fault) faults.set(index, fault)
    fields.begin(bytes, start)
    fields.skip(5)
    const payload = fields.next()
    if (payload !== null) putEdit(edits, EDIT_NUMBERS * index, payload, fields.from)
    index += 1
  })
  return { ...message, faults, edits: edits.buffer }
}

function putEdit(edits: Int32Array, at: number, payload: string, from: number): void {
  const edit = editPlace(payload)
  if (!edit || edit.offset > NUMBER_MAX || edit.delete > NUMBER_MAX) return
  edits[at] = edit.offset
  edits[at + 1] = edit.delete
  edits[at + 2] = from + edit.insertFrom
  edits[at + 3] = from + edit.insertTo
}

/** The events of a window, each checked in itself. */
export function checkedEvents(message: CheckedMessage): CheckedEvent[] {
  const { faults } = message
  const edits = new Int32Array(message.edits)
  const fields = new Fields()
  const events: CheckedEvent[] = []
  RowWindow.received(message).each((bytes, start) => {
    const index = events.length
    fields.begin(bytes, start)
    const hash = fields.next() as string
    const prevHash = fields.next() as string
    fields.skip(1)
    const streamId = fields.next() as string
    const saltAt = fields.at
    events.push({
      position: Number(bytes.readBigInt64BE(start + 2 + LENGTH_BYTES)),
      version: bytes.readInt32BE(start + FIELDS_AT - 4),
      ...{ hash, prevHash, streamId },
      fault: faults.get(index) ?? null,
      effect: () => effectAt(bytes, saltAt, edits, EDIT_NUMBERS * index),
    })
  })
  return events
}

function effectAt(
  bytes: RowBytes,
  saltAt: number,
  edits: Int32Array,
  at: number,
): readonly Splice[] | null {
  const from = edits[at + 2] as number
  if (from === 0) {
    const fields = new Fields(bytes, saltAt)
    fields.skip(1)
    const payload = fields.next()
    return payload === null ? null : effectIn(payload)
  }
  const json = bytes.latin1Slice(from, edits[at + 3] as number)
  const plain = !UNLIKE_TEXT.test(json)
  const insert = plain ? json.slice(1, -1) : (JSON.parse(decoded(json)) as string)
  return [{ offset: edits[at] as number, delete: edits[at + 1] as number, insert }]
}

/** Fields of a row one after another, each as a binary string of its own. */
class Fields {
  /** Where the newest field's bytes begin. */
  from = 0

  constructor(
    private bytes: RowBytes = Buffer.alloc(0) as Buffer as RowBytes,
    public at: number = 0,
  ) {}

  begin(bytes: RowBytes, row: number): void {
    this.bytes = bytes
    this.at = row + FIELDS_AT
  }

  next(): string | null {
    const length = this.#length()
    return length < 0 ? null : this.bytes.latin1Slice(this.from, this.at)
  }

  skip(fields: number): void {
    for (let n = 0; n < fields; n++) this.#length()
  }

  #length(): number {
    const length = this.bytes.readInt32BE(this.at)
    this.from = this.at + LENGTH_BYTES
    this.at = this.from + Math.max(0, length)
    return length
  }
}
