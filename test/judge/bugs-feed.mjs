// Faults in how the log is read.
const STALE_SHARE = 0.05

/** @type {readonly import('./bugs.mjs').Bug[]} */
export const FEED_BUGS = [
  {
    name: 'stale-read',
    breaks: 'a read has seen what was answered before it began',
    rules: {
      read: (store, ids, { random }) =>
        Object.fromEntries(
          ids.map((id) => {
            const { head, previous } = store.streams.get(id)
            return [id, random() < STALE_SHARE ? (previous ?? head) : head]
          }),
        ),
    },
  },
  {
    name: 'torn-read',
    breaks: 'a read of several blocks is one snapshot',
    rules: {
      read: (store, [first, ...others], { atInvoke }) =>
        Object.fromEntries([
          [first, atInvoke.get(first).head],
          ...others.map((id) => [id, store.streams.get(id).head]),
        ]),
    },
  },
  {
    name: 'feed-by-last-id',
    breaks: 'the feed misses nothing that was under way',
    rules: {
      page: (store, { position }) => store.feed.filter((row) => row.position > position),
    },
  },
  {
    name: 'feed-by-transaction-id',
    breaks: 'the feed has the order of positions',
    rules: {
      page: (store, cursor) => {
        const least = store.leastOpen()
        return store.commits
          .filter((row) => row.transaction < least && compare(row, cursor) > 0)
          .sort(compare)
      },
    },
  },
]

function compare(a, b) {
  return a.transaction - b.transaction || a.position - b.position
}
