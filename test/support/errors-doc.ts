import { readdirSync, readFileSync } from 'node:fs'
import { ERRORS, type ErrorCode, errorSlug } from '#domain/errors.js'

const TABLE = 'libs/domain/error-table.ts'

/** The text of `docs/errors.md`: every code of the table, and whether anything here answers with it. */
export function errorsDoc(): string {
  const sources = [...codeIn('libs'), ...codeIn('apps')].map((path) => readFileSync(path, 'utf8'))
  const codes = Object.keys(ERRORS) as ErrorCode[]
  const used = codes.filter((code) => sources.some((text) => text.includes(`'${code}'`)))
  const reserved = codes.filter((code) => !used.includes(code))
  return [INTRODUCTION, ...byStatus(used), RESERVED, list(reserved), ''].join('\n')
}

const INTRODUCTION = `# Errors

<!-- Made from ${TABLE} by test/support/errors-doc.ts; test/errors-doc.spec.ts compares.
     After a change of the table: UPDATE_DOCS=1 npm test -- errors-doc -->

Every refusal, from a broken request line to a lost precondition, is one JSON document
(\`application/problem+json\`, RFC 9457). Programs switch on \`code\`: a code, once published, keeps its
meaning. People read \`detail\` and \`hint\`. Letta's clients read \`message\`, which repeats \`detail\`.

\`\`\`json
{
  "type": "/docs/errors/replace-no-match",
  "title": "The text to replace is not there",
  "status": 409,
  "code": "replace_no_match",
  "detail": "No replacement was performed, old_string \`draft\` did not appear verbatim in memory block with label \`plan\`.",
  "message": "(as detail)",
  "hint": "Read the block again and copy the text exactly.",
  "at_version": 4,
  "base_version": 3,
  "unseen": [4],
  "last_changed_by": { "version": 4, "actor": { "kind": "agent", "id": "agent-…", "name": "agent2" }, "at": "…" },
  "request_id": "req-…"
}
\`\`\`

What a program needs to recover stands beside these members, in snake_case; \`errors\` lists invalid fields,
each with a JSON pointer, a code and a message. \`x-should-retry: false\` stands on every 409 and 412 that
waiting cannot mend, because Letta's clients would repeat them; where waiting helps, \`Retry-After\` and
\`retry-after-ms\` say how long. \`type\` names the row below; the service does not serve these pages yet.

**Again?** says whether the same request may succeed later without a change.
`

const RESERVED = `## Reserved

These codes are in the table so that their meaning is fixed; nothing in this version answers with them.
`

function byStatus(codes: readonly ErrorCode[]): string[] {
  const statuses = [...new Set(codes.map((code) => ERRORS[code].status))].sort((a, b) => a - b)
  return statuses.map((status) => {
    const rows = codes.filter((code) => ERRORS[code].status === status).map(row)
    return [
      `## ${status}`,
      '',
      '| code | what happened | what to do next | again? |',
      '|---|---|---|---|',
      ...rows,
      '',
    ].join('\n')
  })
}

function row(code: ErrorCode): string {
  const { title, hint, retry } = ERRORS[code]
  const cells = [`<a id="${errorSlug(code)}"></a>\`${code}\``, title, hint, retry ? 'yes' : 'no']
  return `| ${cells.map(cell).join(' | ')} |`
}

/** Angle brackets of a hint are text, those of the anchor are not. */
function cell(text: string): string {
  const safe = text.startsWith('<a ') ? text : text.replaceAll('<', '&lt;')
  return safe.replaceAll('|', '\\|')
}

function list(codes: readonly ErrorCode[]): string {
  return codes
    .map((code) => `- \`${code}\` (${ERRORS[code].status}): ${ERRORS[code].title}`)
    .join('\n')
}

function codeIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}/${path}`)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts') && path !== TABLE)
}
