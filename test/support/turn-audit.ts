/** An event as an audit of turns looks at it. */
export interface AuditedEvent {
  readonly stream_id: string
  readonly version: number
  readonly position: number
  readonly type: string
  /** Of the claim under which it was written. */
  readonly epoch: number | null
  readonly run_id: string | null
  /** Of the payload: what the type has of these. */
  readonly started_epoch: number | null
  readonly text: string | null
}

/** A turn that was accepted, in the order of its agent. */
export interface AcceptedTurn {
  readonly runId: string
  readonly token: string
  readonly searches: boolean
}

export interface AuditedAgent {
  readonly blockId: string
  readonly turns: readonly AcceptedTurn[]
}

/** What outside services were asked, by `token/step` and by token. */
export interface Asked {
  readonly asked: ReadonlyMap<string, number>
  readonly searched: ReadonlyMap<string, number>
}

export interface AgentAudit {
  readonly faults: string[]
  /** Written under a claim that somebody else had already followed. */
  readonly staleWrites: number
  readonly deadLettered: number
  readonly blockEvents: number
  /** Calls that were under way when their worker died, and had to be made again. */
  readonly repeatedInFlight: number
}

const TERMINAL = /^Turn(Completed|Failed|Cancelled|DeadLettered)$/
const TEXT = /^Text/
/** Behind these a call that has no answer is made once more. */
const AGAIN = /^(TurnStarted|ModelRetryScheduled)$/

export const AUDIT_COLUMNS = `stream_id, version, position::float8 as position, type,
  (correlation->>'epoch')::int as epoch, correlation->>'run_id' as run_id,
  case when type = 'TurnStarted' then (payload->>'epoch')::int end as started_epoch,
  case when type like 'Text%' then payload->'intent'->>'text' end as text`

/**
 * Looks through all that was written for one agent whose turns are over: each ended once and as its last
 * event, its block has each turn's insert once and in the order of the turns, nothing was written under
 * a claim that was lost, and nothing recorded was asked for again.
 */
export function auditAgent(
  agent: AuditedAgent,
  events: readonly AuditedEvent[],
  asked: Asked,
): AgentAudit {
  const faults: string[] = []
  const journals = agent.turns.map((turn) => events.filter((e) => e.stream_id === turn.runId))
  let deadLettered = 0
  let repeatedInFlight = 0
  journals.forEach((journal, n) => {
    const turn = agent.turns[n] as AcceptedTurn
    const ends = journal.filter((event) => TERMINAL.test(event.type))
    if (ends.length !== 1 || ends[0] !== journal.at(-1)) {
      faults.push(`${turn.token}: ${ends.length} ends, the last event is ${journal.at(-1)?.type}`)
    }
    if (ends[0]?.type === 'TurnDeadLettered') deadLettered += 1
    else if (ends[0] && ends[0].type !== 'TurnCompleted')
      faults.push(`${turn.token}: ${ends[0].type}`)
    if (journal.some((event, i) => event.version !== i + 1)) faults.push(`${turn.token}: a gap`)
    const before = journals[n - 1]?.at(-1)?.position ?? 0
    const began = journal.find((event) => event.type === 'TurnStarted')?.position ?? 0
    if (began < before) faults.push(`${turn.token}: began before the turn ahead of it had ended`)
    const repeats = repeatedCalls(turn, journal, asked)
    faults.push(...repeats.faults)
    repeatedInFlight += repeats.inFlight
  })
  const edits = events.filter((e) => e.stream_id === agent.blockId && TEXT.test(e.type))
  faults.push(...editFaults(agent.turns, journals, edits))
  const staleWrites = countStale(events)
  if (staleWrites > 0) faults.push(`${agent.turns[0]?.token}: ${staleWrites} stale writes`)
  return { faults, staleWrites, deadLettered, blockEvents: edits.length, repeatedInFlight }
}

/**
 * Every start of a turn may make the call that is not recorded yet, once. So a step is asked for once,
 * and once more for each start, and each retry that was decided on, between its request and its answer.
 */
function repeatedCalls(
  { token, searches }: AcceptedTurn,
  journal: readonly AuditedEvent[],
  { asked, searched }: Asked,
): { faults: string[]; inFlight: number } {
  const faults: string[] = []
  let inFlight = 0
  const check = (
    what: string,
    calls: number,
    from: AuditedEvent,
    to: AuditedEvent | undefined,
  ): void => {
    const isBetween = (event: AuditedEvent): boolean =>
      event.version > from.version && event.version < (to?.version ?? Infinity)
    const again = journal.filter((event) => AGAIN.test(event.type) && isBetween(event)).length
    if (calls > 1 + again)
      faults.push(`${token}: ${what} was asked ${calls} times instead of ${1 + again}`)
    inFlight += Math.max(0, calls - 1)
  }
  const of = (type: string): AuditedEvent[] => journal.filter((event) => event.type === type)
  const replies = of('ModelResponded')
  of('ModelRequested').forEach((request, i) => {
    check(`step ${i + 1}`, asked.get(`${token}/${i + 1}`) ?? 0, request, replies[i])
  })
  const [call] = of('ToolCalled')
  if (searches && call) check('the search', searched.get(token) ?? 0, call, of('ToolReturned')[0])
  return { faults, inFlight }
}

/** A turn that completed has its insert, one that was given up may have it, none has it twice. */
function editFaults(
  turns: readonly AcceptedTurn[],
  journals: readonly (readonly AuditedEvent[])[],
  edits: readonly AuditedEvent[],
): string[] {
  const given = turns.map((turn) => edits.filter((edit) => edit.run_id === turn.runId))
  const faults = turns.flatMap((turn, n) => {
    const completed = journals[n]?.at(-1)?.type === 'TurnCompleted'
    const texts = given[n]?.map((edit) => edit.text?.trim()) ?? []
    if (texts.length === 0 && !completed) return []
    return texts.length === 1 && texts[0] === turn.token
      ? []
      : [`${turn.token}: inserted ${JSON.stringify(texts)}`]
  })
  if (given.flat().length !== edits.length) faults.push('an edit of no turn')
  const order = given.flat().map((edit) => edit.version)
  if (order.some((version, i) => version < (order[i - 1] ?? 0))) faults.push('edits out of order')
  return faults
}

/** Of an agent's events, in the order of the log: those under an older claim than has begun by then. */
function countStale(events: readonly AuditedEvent[]): number {
  let newest = 0
  let stale = 0
  for (const event of [...events].sort((a, b) => a.position - b.position)) {
    if (event.epoch === null) continue
    if (event.epoch < newest) stale += 1
    newest = Math.max(newest, event.started_epoch ?? 0)
  }
  return stale
}
