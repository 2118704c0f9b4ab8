/** What stands in a cursor. Positions are a detail of one database; callers pass the text on as it is. */
interface Content {
  readonly v: 1
  readonly t: string
  readonly p: number
}

const LENGTH_MAX = 1_024

/** A place in the log as callers see it: opaque, and good for one tenant only. */
export function encodeCursor(tenantId: string, position: number): string {
  const content: Content = { v: 1, t: tenantId, p: position }
  return Buffer.from(JSON.stringify(content)).toString('base64url')
}

/**
 * The position a cursor stands for: whoever passes it on has seen every event up to it.
 *
 * @returns null for anything that `encodeCursor` did not make for this tenant.
 */
export function decodeCursor(tenantId: string, cursor: string): number | null {
  if (cursor.length > LENGTH_MAX) return null
  let content: Partial<Content> | null
  try {
    content = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Partial<Content> | null
  } catch {
    return null
  }
  const position = content?.p
  if (typeof position !== 'number' || !Number.isSafeInteger(position) || position < 0) return null
  // Only its own form: a cursor that was changed by hand is none.
  return encodeCursor(tenantId, position) === cursor ? position : null
}
