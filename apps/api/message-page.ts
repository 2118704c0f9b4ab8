import type { Listed, PageRequest } from '#read-models/listing.js'
import type { StoredMessage } from '#read-models/messages.js'
import { LIMIT_MAX } from './http/query.js'
import { pageRows } from './page-rows.js'
import { type MessageView, renderMessages, type WireMessage } from './wire/message-wire.js'

/**
 * A page of messages as a caller wants to see them. Clients page until a page is empty, so stored
 * messages of which the view shows nothing are passed over rather than answered as an empty page;
 * the limit counts stored messages that show something.
 */
export async function messagePage(
  page: PageRequest,
  view: MessageView,
  read: (page: PageRequest) => Promise<Listed<StoredMessage>>,
): Promise<WireMessage[]> {
  const backwards = page.before !== null
  let next = page
  for (;;) {
    const rows = pageRows(await read(next))
    const shown = rows.map((row) => renderMessages([row], view)).filter((items) => items.length > 0)
    if (shown.length > 0) {
      const within = backwards ? shown.slice(-page.limit) : shown.slice(0, page.limit)
      return within.flat()
    }
    const last = backwards ? rows[0] : rows.at(-1)
    if (!last || rows.length < next.limit) return []
    // Nothing in a whole page: what is shown may be far away, so look further at a time.
    const cursor = last.message_id
    next = {
      ...page,
      limit: LIMIT_MAX,
      ...(backwards ? { before: cursor } : { after: cursor }),
    }
  }
}
