const UNSTORABLE = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
const JSON_ESCAPES = /(?:\\u[0-9a-fA-F]{4})+|\\[^u]/g

/** The text without NUL and lone surrogates: the database cannot hold the first, drivers rewrite the second. */
export function storable(text: string): string {
  return text.replace(UNSTORABLE, '')
}

/**
 * The same for JSON text, where NUL and lone surrogates also hide as `\u0000` and `\ud800`. Text that
 * is no JSON at all passes through, so a tool can tell the model what it wrote.
 *
 * @example storableJson('{"a":"x\\u0000y"}') // {"a":"xy"}
 */
export function storableJson(text: string): string {
  return storable(text).replace(JSON_ESCAPES, (escapes) => {
    if (!escapes.startsWith('\\u')) return escapes
    const decoded = escapes.replace(/\\u(.{4})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    const kept = storable(decoded)
    return kept === decoded ? escapes : escaped(kept)
  })
}

function escaped(text: string): string {
  return text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}
