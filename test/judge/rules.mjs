// Where the system under test can be made to err: every seeded bug replaces one or two of these, and nothing else.

/** What the service does. */
export const HONEST = {
  /** Judges a unit on the states the commit will confirm. */
  decide: (call, states, now) => call.unit.decide(states, now),
  /** True when a head is not at the version its unit was decided on. */
  hasMoved: (version, oldVersion) => version !== oldVersion,
  /** True when somebody else has claimed the agent since. */
  isFenced: (store, { agentId, epoch }) => (store.epochs.get(agentId) ?? 1) !== epoch,
  /** Whether the id has a result. */
  knowsId: (store, commandId) => store.results.has(commandId),
  /** What a retry is given of an earlier attempt: undefined, or the row of its result. */
  resultOf: (store, commandId) => store.results.get(commandId),
  /** Whether the id stands for another request. */
  isReused: (row, fingerprint) => !row.fingerprint.equals(fingerprint),
  storesResult: () => true,
  /** The rows of a plan that are written: `(plan, random, store)`. */
  rowsOf: (plan) => plan.events,
  /** The row of a head as it is written. */
  headOf: (head) => head,
  /** Whether callers hear of a commit before it. */
  answersEarly: false,
  /** Whether a unit that is rolled back leaves its versions unused. */
  leavesGaps: false,
  /** Whether positions are taken before the heads are locked. */
  takesPositionsEarly: false,
  /** A read of several blocks: one statement, one snapshot. `(store, ids, { random, atInvoke })` */
  read: (store, ids) => Object.fromEntries(ids.map((id) => [id, store.streams.get(id)?.head])),
  /** What a consumer is given after what it has got. */
  page: (store, { position }) => {
    const certified = store.certified()
    return store.feed.filter((row) => row.position > position && row.position < certified)
  },
}
