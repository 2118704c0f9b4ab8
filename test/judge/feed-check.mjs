// Check 5: a consumer of the feed is given every event once, in the order of positions.

/**
 * @param {import('./record.mjs').Log} log
 * @param {readonly import('./record.mjs').LogEvent[]} events in the order of their positions
 * @param {import('./verdict.mjs').Verdict} verdict
 */
export function checkFeeds({ feeds }, events, verdict) {
  for (const [consumer, given] of feeds.entries()) {
    const differs = events.findIndex((event, i) => !isSame(event, given[i]))
    const at = differs < 0 && given.length > events.length ? events.length : differs
    if (at < 0) continue
    verdict.add(
      'feed',
      'not_the_log',
      `consumer ${consumer}, event ${at}`,
      place(events[at]),
      place(given[at]),
    )
  }
}

function isSame(event, given) {
  return given !== undefined && event.stream === given.stream && event.version === given.version
}

function place(event) {
  return event ? `${event.stream}@${event.version}` : null
}
