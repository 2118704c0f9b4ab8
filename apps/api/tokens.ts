/** What controllers are given beside the command bus: read-only doors and the configuration. */
export const CONFIG = Symbol('Config')
/** Kysely over the read pool. */
export const DATABASE = Symbol('Database')
/** The read pool itself, for prepared statements and folds. */
export const POOL = Symbol('Pool')
/** Model and search. */
export const PROVIDERS = Symbol('Providers')
/** Rings an agent's mailbox after a commit. */
export const DOORBELL = Symbol('Doorbell')
/** Waits for the end of turns. */
export const TURN_WAITERS = Symbol('TurnWaiters')
/** Whether Postgres keeps what it acknowledges. */
export const DURABILITY = Symbol('Durability')
/** The log in the order of its positions. */
export const FEED = Symbol('Feed')
/** Limits of the streams of events. */
export const EVENT_STREAMS = Symbol('EventStreams')
/** Runs as their readers follow them. */
export const RUN_LOGS = Symbol('RunLogs')
/** Limits of the streams of runs. */
export const RUN_STREAMS = Symbol('RunStreams')
/** When a call that waits begins to answer. */
export const DRIP = Symbol('Drip')
/** Calls the URLs that runs are to be told to. */
export const CALLBACKS = Symbol('CallbackClient')
