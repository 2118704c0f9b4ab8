import type { Listed } from '#read-models/listing.js'
import { invalidCursor } from './http/query.js'

/**
 * The rows of a page.
 *
 * @throws Problem invalid_cursor when the list has nothing of that id
 */
export function pageRows<Row>(listed: Listed<Row>): Row[] {
  if ('rows' in listed) return listed.rows
  throw invalidCursor(listed.unknownCursor)
}
