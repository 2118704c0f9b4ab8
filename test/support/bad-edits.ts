/** One edit of a block, by the catalogue's row: over REST as it stands, and as a tool call. */
export interface EditRow {
  readonly row: number
  readonly input: string
  readonly word: 'insert' | 'replace' | 'rethink'
  /** The body of the route; a tool takes the same arguments, and a label. */
  readonly args: Readonly<Record<string, unknown>>
  /** The block before. */
  readonly value?: string
  readonly limit?: number
  /** The text afterwards, where the edit is accepted; the same as before: nothing was changed. */
  readonly after?: string
  readonly status?: number
  readonly code?: string
  /** Members of the problem document. */
  readonly facts?: Readonly<Record<string, unknown>>
}

type More = Omit<EditRow, 'row' | 'input' | 'word' | 'args'>

const FAMILY = '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'
const TAGGED = '\u{e0041}\u{e0042}'
const BANNER =
  "# NOTE: Line numbers shown below (with arrows like '1→') are to help during editing. Do NOT include line number prefixes in your memory edit tool calls."

/** Text that is hostile, or only looks it. */
export const TEXT_EDITS: readonly EditRow[] = [
  ...(['\ud83d', '\ude00', '\ud800x', '\ude00\ud83d'] as const).flatMap((text, i) =>
    everyText([33, 34, 35, 35][i] as number, `half a pair ${JSON.stringify(text)}`, text, {
      status: 422,
      code: 'lone_surrogate',
    }),
  ),
  ...everyText(31, 'NUL in text', 'a\0b', { status: 422, code: 'nul_not_allowed' }),
  kept(36, 'valid pair', '\u{1f600}'),
  kept(37, 'U+FFFF noncharacter', '\uffff'),
  kept(38, 'BOM inside the text', 'a\ufeffb'),
  kept(39, 'NFD', 'cafe\u0301'),
  replace(39, 'NFC against NFD', 'cafe\u0301', 'tea', {
    value: 'caf\u00e9',
    status: 409,
    code: 'replace_no_match',
    facts: { differs_only_in: 'normal_form' },
  }),
  rethink(40, 'ZWJ family emoji, 5 code points', FAMILY, { limit: 5, after: FAMILY }),
  over(40, 'ZWJ family emoji into 4', FAMILY, 4, 5),
  kept(41, 'bidi override U+202E', 'a\u202eb'),
  kept(42, 'tag characters', `a${TAGGED}b`),
  kept(43, 'flood of zero-width joiners', `a${'\u200d'.repeat(1_000)}b`),
  kept(44, 'CRLF', 'a\r\nb'),
  insert(44, 'CRLF, the CR belongs to its line', 'X', {
    args: { insert_line: 1 },
    value: 'a\r\nb',
    after: 'a\r\nX\nb',
  }),
  kept(45, 'lone CR', 'a\rb'),
  beyond(45, 'lone CR ends no line', 'a\rb', 2, 1),
  kept(46, 'U+2028', 'a\u2028b'),
  beyond(46, 'U+2028 ends no line', 'a\u2028b', 2, 1),
  insert(47, 'tab', '\ty', { value: '\tx\t', after: '\tx\t\n\ty' }),
  over(48, 'combining-mark bomb', `e${'\u0301'.repeat(10)}`, 10, 11),
  over(49, 'one code point over the limit', '\u{1f600}'.repeat(4), 3, 4),
  rethink(50, 'exactly at the limit', '\u{1f600}'.repeat(3), {
    limit: 3,
    after: '\u{1f600}'.repeat(3),
  }),
  insert(51, 'insert of the empty string', '', { status: 422, code: 'empty_text' }),
  insert(52, 'insert of only whitespace', '  ', { value: 'x', after: 'x\n  ' }),
  insert(82, 'line-number prefix', '12→ x', { status: 422, code: 'line_number_prefix' }),
  insert(82, 'line-number prefix, second line', 'x\n\t٣→y', {
    status: 422,
    code: 'line_number_prefix',
  }),
  insert(82, 'no prefix: a CR ends no line', 'x\r3→y', { after: 'x\r3→y' }),
  insert(82, 'the banner', `${BANNER}\nx`, { status: 422, code: 'line_number_banner' }),
  replace(83, 'old = ""', '', 'x', { value: 'a', status: 422, code: 'empty_text' }),
  replace(84, 'old = new', 'a', 'a', { value: 'a', after: 'a' }),
  replace(84, 'old = new, absent', 'b', 'b', { value: 'a', status: 409, code: 'replace_no_match' }),
  replace(85, 'old absent', 'zz', 'x', { value: 'a', status: 409, code: 'replace_no_match' }),
  replace(85, 'old absent, and something like it in a line', 'HQ: SF', 'x', {
    value: 'Name: Letta\nHQ: San Francisco\nHQ unknown',
    status: 409,
    code: 'replace_no_match',
    facts: {
      nearest: [{ line: 2, similarity: 0.8, text: 'HQ: San Francisco' }],
    },
  }),
  replace(86, 'old twice', 'a', 'x', {
    value: 'a\nb\na',
    status: 409,
    code: 'replace_ambiguous',
    facts: { match_count: 2, matches: [matching(1, 0, 'a'), matching(3, 4, 'a')] },
  }),
  replace(87, 'old overlapping itself', 'aa', 'x', {
    value: 'aaa',
    status: 409,
    code: 'replace_ambiguous',
    facts: { match_count: 2 },
  }),
  ...['$&', '$1', '$$', '$`', "$'"].map((pattern) =>
    replace(88, `${pattern} in the new text`, 'b', pattern, {
      value: 'a b c',
      after: `a ${pattern} c`,
    }),
  ),
  replace(89, 'old spans lines', 'b\nc', 'x', { value: 'a\nb\nc\nd', after: 'a\nx\nd' }),
  replace(90, 'old with CRLF against LF text', 'a\r\nb', 'x', {
    value: 'a\nb',
    status: 409,
    code: 'replace_no_match',
    facts: { differs_only_in: 'line_endings' },
  }),
  insert(91, 'insert over the limit', 'abc', {
    value: 'ab',
    limit: 5,
    status: 422,
    code: 'limit_exceeded',
    facts: { limit: 5, would_be: 6, over_by: 1, left: 3 },
  }),
  replace(91, 'replace over the limit', 'b', 'bbbbb', {
    value: 'ab',
    limit: 5,
    status: 422,
    code: 'limit_exceeded',
    facts: { limit: 5, would_be: 6, over_by: 1, left: 3 },
  }),
  rethink(92, 'rethink to the identical text', 'a\nb', { value: 'a\nb', after: 'a\nb' }),
]

/** Places and versions: what a tool call cannot say, or says in a way of its own. */
export const PLACE_EDITS: readonly EditRow[] = [
  beyond(79, 'insert at line -2', 'a', -2, 1),
  beyond(80, 'line beyond the last', 'a\nb', 3, 2),
  ...([1.5, '1', true, [1]] as const).map((line) =>
    insert(81, `line ${JSON.stringify(line)}`, 'x', {
      args: { insert_line: line },
      status: 422,
      code: 'invalid_type',
    }),
  ),
  insert(94, 'base_version above the current', 'x', {
    args: { base_version: 99 },
    status: 422,
    code: 'version_from_future',
  }),
  ...([-1, 1.5, '1', true] as const).map((version) =>
    insert(95, `base_version ${JSON.stringify(version)}`, 'x', {
      args: { base_version: version },
      status: 422,
      code: 'invalid_type',
    }),
  ),
]

/** The same text wherever a word takes one. */
function everyText(row: number, input: string, text: string, more: More): EditRow[] {
  return [
    insert(row, `${input}, inserted`, text, more),
    replace(row, `${input}, as the old text`, text, 'x', { value: 'a', ...more }),
    replace(row, `${input}, as the new text`, 'a', text, { value: 'a', ...more }),
    rethink(row, `${input}, as the whole text`, text, more),
  ]
}

function kept(row: number, input: string, text: string): EditRow {
  return insert(row, `${input} is kept`, text, { value: 'x', after: `x\n${text}` })
}

function over(row: number, input: string, text: string, limit: number, wouldBe: number): EditRow {
  return rethink(row, input, text, {
    limit,
    status: 422,
    code: 'limit_exceeded',
    facts: { limit, would_be: wouldBe, over_by: wouldBe - limit, left: limit },
  })
}

function beyond(row: number, input: string, value: string, line: number, count: number): EditRow {
  return insert(row, input, 'X', {
    args: { insert_line: line },
    value,
    status: 422,
    code: 'line_out_of_range',
    facts: { line, line_count: count, at_version: 1 },
  })
}

function insert(
  row: number,
  input: string,
  text: string,
  { args, ...more }: More & { args?: object },
): EditRow {
  return { row, input, word: 'insert', args: { new_string: text, ...args }, ...more }
}

function replace(row: number, input: string, old: string, to: string, more: More): EditRow {
  return { row, input, word: 'replace', args: { old_string: old, new_string: to }, ...more }
}

function rethink(row: number, input: string, text: string, more: More): EditRow {
  return { row, input, word: 'rethink', args: { new_memory: text }, ...more }
}

function matching(line: number, offset: number, context: string): object {
  return { line, offset, context }
}
