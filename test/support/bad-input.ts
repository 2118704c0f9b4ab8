import { type RawRequest, requestBytes, type SendOptions } from './raw-request.js'

/** One hostile request: what it is called in the catalogue, the bytes, and what must come back. */
export interface BadInputRow {
  readonly row: number
  readonly input: string
  readonly bytes: Buffer
  readonly status: number
  /** The problem's code; absent where the input is accepted. */
  readonly code?: string
  readonly send?: SendOptions
}

export interface Targets {
  /** A block that exists, for rows that must succeed. */
  readonly blockId: string
  /** An agent that exists. */
  readonly agentId: string
  /** What the server under test allows a request to take to arrive. */
  readonly requestTimeoutMs: number
}

const MEGABYTE = 1_048_576

/** A request that creates a block: the route most rows aim at, as existing clients send it. */
export function createBlock(body: string | Uint8Array, more: Partial<RawRequest> = {}): Buffer {
  return requestBytes({ method: 'POST', path: '/v1/blocks/', body, ...more })
}

/** A label that no other row uses, so that the rows also run one after another on one database. */
function label(row: number): string {
  return `"label":"bad-input-${row}"`
}

export function transportRows(targets: Targets): BadInputRow[] {
  const whole = Buffer.from(`{${label(13)},"value":"x"}`)
  const longer = { 'content-length': String(whole.length + 50) }
  const everyMs = Math.max(10, Math.floor(targets.requestTimeoutMs / 10))
  const attach = `/v1/agents/${targets.agentId}/core-memory/blocks/attach/${targets.blockId}`
  return [
    refused(1, 'empty body where one is needed', createBlock(''), 400, 'body_required'),
    refused(2, 'truncated JSON', createBlock('{"label":"x","value":'), 400, 'bad_json'),
    refused(3, 'trailing garbage after the JSON', createBlock('{"value":"x"} x'), 400, 'bad_json'),
    refused(4, 'single-quoted JSON', createBlock("{'value':'x'}"), 400, 'bad_json'),
    refused(5, 'NaN', createBlock('{"limit":NaN}'), 400, 'bad_json'),
    refused(5, 'Infinity', createBlock('{"limit":-Infinity}'), 400, 'bad_json'),
    refused(6, 'BOM before the JSON', createBlock('\ufeff{"value":"x"}'), 400, 'bad_json'),
    refused(7, 'invalid UTF-8', createBlock(inValue(6, [0xff, 0xfe])), 400, 'bad_encoding'),
    refused(7, 'overlong UTF-8', createBlock(inValue(6, [0xc0, 0xaf])), 400, 'bad_encoding'),
    refused(
      7,
      'surrogate as bytes',
      createBlock(inValue(6, [0xed, 0xa0, 0x80])),
      400,
      'bad_encoding',
    ),
    refused(8, 'charset=utf-16', typed('application/json; charset=utf-16'), 415, UNSUPPORTED),
    refused(9, 'text/plain', typed('text/plain'), 415, UNSUPPORTED),
    refused(9, 'a form', typed('application/x-www-form-urlencoded'), 415, UNSUPPORTED),
    refused(9, 'a content-type that is none', typed('json'), 415, UNSUPPORTED),
    refused(10, 'a body without content-type', typed(null), 415, UNSUPPORTED),
    accepted(10, 'no body, no content-type', requestBytes({ method: 'PATCH', path: attach })),
    refused(11, 'a gzip bomb, inflating is off', gzipped(), 415, UNSUPPORTED),
    refused(12, 'body over the limit', createBlock(big(MEGABYTE + 1)), 413, 'body_too_large'),
    refused(12, 'body far over the limit', createBlock(big(3 * MEGABYTE)), 413, 'body_too_large'),
    {
      ...refused(
        13,
        'declared longer than sent',
        createBlock(whole, { headers: longer }),
        400,
        FRAMING,
      ),
      send: { halfClose: true },
    },
    refused(13, 'declared longer, stalls', createBlock(whole, { headers: longer }), 408, TIMEOUT),
    {
      ...refused(
        13,
        'garbage after the body',
        Buffer.concat([createBlock('{'), whole]),
        400,
        'bad_json',
      ),
    },
    refused(
      13,
      'two lengths',
      createBlock('{}', { headers: { 'Content-Length': '3' } }),
      400,
      FRAMING,
    ),
    refused(13, 'not HTTP', Buffer.from('hello\r\n\r\n'), 400, FRAMING),
    {
      ...refused(14, 'body that drips', createBlock('', { headers: longer }), 408, TIMEOUT),
      send: { drip: { pieces: forever(' '), everyMs } },
    },
    refused(15, 'array nested 100 000 deep', createBlock('['.repeat(100_000)), 400, 'too_deep'),
    refused(
      15,
      'object nested 33 deep',
      createBlock(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`),
      400,
      'too_deep',
    ),
    refused(16, 'object with 1 M keys', createBlock(keys(1_000_000)), 413, 'body_too_large'),
    refused(16, 'object with 10 001 keys', createBlock(keys(10_001)), 422, 'too_many_keys'),
  ]
}

export function jsonRows(targets: Targets): BadInputRow[] {
  const proto = '{"metadata":{"__proto__":{"polluted":true}},"label":"x","value":"x"}'
  const escaped = '{"metadata":{"\\u005f_proto__":1},"label":"x","value":"x"}'
  const constructorKey = '{"constructor":{"prototype":{"polluted":true}},"label":"x","value":"x"}'
  const metadata = (row: number, json: string) =>
    createBlock(`{${label(row)},"value":"x","metadata":{"n":${json}}}`)
  const limit = (row: number, json: string) =>
    createBlock(`{${label(row)},"value":"x","limit":${json}}`)
  const insert = `/v1/blocks/${targets.blockId}/insert`
  const native = (body: string) => requestBytes({ method: 'POST', path: insert, body })
  const type = (row: number, input: string, bytes: Buffer) =>
    refused(row, input, bytes, 422, 'invalid_type')
  const range = (row: number, input: string, bytes: Buffer) =>
    refused(row, input, bytes, 422, 'number_out_of_range')
  return [
    accepted(17, 'duplicate keys', createBlock(`{${label(17)},"value":"first","value":"last"}`)),
    refused(18, '__proto__ as a key', createBlock(proto), 422, 'reserved_key'),
    refused(18, '__proto__ written with an escape', createBlock(escaped), 422, 'reserved_key'),
    refused(19, 'constructor.prototype', createBlock(constructorKey), 422, 'reserved_key'),
    refused(
      20,
      'unknown field, native route',
      native('{"new_string":"x","x":1}'),
      422,
      'unknown_field',
    ),
    accepted(20, 'unknown field, old route', createBlock(`{${label(20)},"value":"x","zz":1}`)),
    type(21, 'number for string', createBlock(`{${label(21)},"value":1}`)),
    type(22, 'string for number', limit(22, '"5000"')),
    type(23, 'null for a required field', createBlock('{"label":null,"value":"x"}')),
    type(24, 'array for object', createBlock('[]')),
    type(24, 'array for an object inside', createBlock(`{${label(24)},"value":"x","metadata":[]}`)),
    range(25, 'integer 2^53 + 1', limit(25, '9007199254740993')),
    range(26, '1e400', limit(26, '1e400')),
    range(26, '1e-400, which would become 0', metadata(26, '1e-400')),
    range(27, '1e131071 in metadata', metadata(27, '1e131071')),
    accepted(28, '-0', metadata(28, '-0')),
    type(29, 'float for integer', limit(29, '1.5')),
    type(30, '"true" for boolean', createBlock(`{${label(30)},"value":"x","read_only":"true"}`)),
  ]
}

export function unicodeRows(): BadInputRow[] {
  const value = (row: number, json: string) => createBlock(`{${label(row)},"value":"${json}"}`)
  const metadata = (json: string) => createBlock(`{${label(32)},"value":"x","metadata":${json}}`)
  const nul = (input: string, bytes: Buffer, row = 32) =>
    refused(row, input, bytes, 422, 'nul_not_allowed')
  const lone = (row: number, input: string, bytes: Buffer) =>
    refused(row, input, bytes, 422, 'lone_surrogate')
  return [
    nul('NUL in text', value(31, 'a\\u0000b'), 31),
    refused(31, 'NUL as a byte', value(31, 'a\0b'), 400, 'bad_json'),
    nul('NUL in a metadata key', metadata('{"a\\u0000":1}')),
    nul('NUL in a metadata value', metadata('{"a":{"b":["\\u0000"]}}')),
    nul('NUL in label', createBlock('{"label":"a\\u0000","value":"x"}')),
    lone(33, 'lone high surrogate', value(33, '\\ud83d')),
    lone(34, 'lone low surrogate', value(34, '\\ude00')),
    lone(35, 'surrogate as an escape, then text', value(35, '\\ud800x')),
    lone(35, 'halves in the wrong order', value(35, '\\ude00\\ud83d')),
    lone(35, 'in metadata', metadata('{"a":"\\ud800"}')),
    accepted(36, 'valid pair', value(36, '\\ud83d\\ude00')),
    accepted(37, 'U+FFFF', value(37, '\uffff')),
    accepted(38, 'BOM inside the text', value(38, 'a\ufeffb')),
  ]
}

export function pathRows(targets: Targets): BadInputRow[] {
  const get = (id: string) => requestBytes({ path: `/v1/blocks/${id}` })
  const uuid = targets.blockId.slice('block-'.length)
  const bad = (row: number, input: string, id: string) =>
    refused(row, input, get(id), 422, 'invalid_id')
  return [
    bad(53, 'block- and no uuid', 'block-x'),
    bad(53, 'a uuid of version 7', 'block-01890a5d-ac96-774b-bcce-b302099a8057'),
    bad(54, 'wrong prefix', `agent-${uuid}`),
    accepted(55, 'upper-case uuid', get(`block-${uuid.toUpperCase()}`)),
    bad(56, 'encoded ../', '..%2f..%2fetc%2fpasswd'),
    refused(56, '../ as it is', get('../../etc/passwd'), 404, 'not_found'),
    refused(57, '%00 in the path', get('block-%00'), 400, 'bad_path'),
    refused(57, '%00 where no route is', requestBytes({ path: '/nowhere/%00' }), 400, 'bad_path'),
    refused(58, 'overlong %C0%AE', get('%C0%AE%C0%AE'), 400, 'bad_path'),
    refused(58, 'a percent sign alone', get('block-%'), 400, 'bad_path'),
    refused(58, 'bytes that are not ASCII', get('block-\u00e9'), 400, FRAMING),
    bad(59, 'id of 4 KB', `block-${'a'.repeat(4_096)}`),
    refused(59, 'URL of 20 KB', get('a'.repeat(20_000)), 414, 'uri_too_long'),
    bad(60, 'encoded CR and LF', `${targets.blockId}%0d%0ax-evil:%201`),
    bad(60, 'encoded LF at the end', `${targets.blockId}%0a`),
  ]
}

export function queryRows(): BadInputRow[] {
  const list = (query: string) => requestBytes({ path: `/v1/blocks/?${query}` })
  const bad = (row: number, query: string) => refused(row, query, list(query), 422, 'invalid_query')
  return [
    bad(67, 'limit=0'),
    bad(68, 'limit=-1'),
    bad(69, 'limit=1e9'),
    bad(69, 'limit=1001'),
    accepted(69, 'limit=1000', list('limit=1000')),
    bad(70, 'limit="abc"'.replaceAll('"', '%22')),
    bad(70, 'limit='),
    bad(71, 'limit=1&limit=2'),
    bad(72, 'limit[]=1'),
    bad(72, 'limit%5B%5D=1'),
    refused(73, 'garbage cursor', list('after=garbage'), 400, 'invalid_cursor'),
    refused(73, 'empty cursor', list('before='), 400, 'invalid_cursor'),
    bad(76, 'order=asc;drop'),
    bad(76, 'order=ASC'),
    accepted(77, 'percent sign and underscore in a search', list('value_search=%25_')),
    bad(77, 'value_search=%00'),
    bad(77, 'value_search=%ff'),
    accepted(77, 'an unknown parameter, old route', list('nobody_knows=1')),
    refused(78, 'query of 20 KB', list(`label=${'a'.repeat(20_000)}`), 414, 'uri_too_long'),
    refused(78, 'query of 200 KB', list(`label=${'a'.repeat(200_000)}`), 431, 'headers_too_large'),
    refused(122, 'key in the query string', list('api_key=secret'), 400, 'key_in_url'),
    refused(122, 'key in an encoded name', list('access%5Ftoken=secret'), 400, 'key_in_url'),
  ]
}

const UNSUPPORTED = 'unsupported_media_type'
const FRAMING = 'bad_framing'
const TIMEOUT = 'request_timeout'

function refused(
  row: number,
  input: string,
  bytes: Buffer,
  status: number,
  code: string,
): BadInputRow {
  return { row, input, bytes, status, code }
}

function accepted(row: number, input: string, bytes: Buffer): BadInputRow {
  return { row, input, bytes, status: 200 }
}

function typed(contentType: string | null): Buffer {
  return createBlock(`{${label(9)},"value":"x"}`, { headers: { 'content-type': contentType } })
}

function gzipped(): Buffer {
  const bomb = Buffer.from('1f8b08000000000000038b8e05002901b4d502000000', 'hex')
  return createBlock(bomb, { headers: { 'content-encoding': 'gzip' } })
}

function inValue(row: number, bytes: readonly number[]): Buffer {
  return Buffer.concat([
    Buffer.from(`{${label(row)},"value":"`),
    Buffer.from(bytes),
    Buffer.from('"}'),
  ])
}

function big(bytes: number): string {
  const head = `{${label(12)},"value":"`
  return `${head}${'a'.repeat(bytes - head.length - 2)}"}`
}

function keys(count: number): string {
  return `{${Array.from({ length: count }, (_, i) => `"${i}":1`).join(',')}}`
}

function* forever(piece: string): Generator<Uint8Array> {
  for (;;) yield Buffer.from(piece)
}
