import { describe, expect, it } from '@jest/globals'
import { type AuditedEvent, auditAgent } from './support/turn-audit.js'

const turns = [1, 2].map((n) => ({ runId: `run-${n}`, token: `a.${n}`, searches: true }))
const agent = { blockId: 'block-1', turns }

/** What two turns write, each under a claim of its own: searched, inserted, done. */
function log(): AuditedEvent[] {
  const events: AuditedEvent[] = []
  turns.forEach(({ runId, token }, i) => {
    const write = (streamId: string, type: string, text: string | null = null): void => {
      events.push({
        stream_id: streamId,
        version: events.filter((event) => event.stream_id === streamId).length + 1,
        position: events.length + 1,
        type,
        epoch: i + 1,
        run_id: runId,
        started_epoch: type === 'TurnStarted' ? i + 1 : null,
        text,
      })
    }
    for (const type of ['TurnStarted', 'ModelRequested', 'ModelResponded', 'ToolCalled'])
      write(runId, type)
    for (const type of ['ToolReturned', 'ModelRequested', 'ModelResponded', 'ToolCalled'])
      write(runId, type)
    write('block-1', 'TextInserted', token)
    for (const type of ['ToolReturned', 'ModelRequested', 'ModelResponded']) write(runId, type)
    write(runId, 'TurnCompleted')
  })
  return events
}

const asked = () => ({
  asked: new Map(turns.flatMap(({ token }) => [1, 2, 3].map((step) => [`${token}/${step}`, 1]))),
  searched: new Map(turns.map(({ token }) => [token, 1])),
})

const edits = (events: AuditedEvent[]): AuditedEvent[] =>
  events.filter((event) => event.stream_id === 'block-1')

describe('the audit of an agent whose workers were killed', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(auditAgent(agent, log(), asked()).faults).toEqual([])
  })

  it('sees an edit that is lost, doubled or out of order', () => {
    const [first, second] = edits(log()) as [AuditedEvent, AuditedEvent]
    const rest = log().filter((event) => event.stream_id !== 'block-1')
    const found = (...edits: AuditedEvent[]): string[] =>
      auditAgent(agent, [...rest, ...edits], asked()).faults
    expect(found(first)).toEqual(['a.2: inserted []'])
    expect(found(first, second, { ...second, version: 3 })).toEqual(['a.2: inserted ["a.2","a.2"]'])
    expect(found({ ...first, version: 2 }, { ...second, version: 1 })).toEqual([
      'edits out of order',
    ])
  })

  it('sees a turn that ends twice, never, or before the one ahead of it', () => {
    const twice = log()
    twice.push({ ...(twice.at(-1) as AuditedEvent), version: 13 })
    expect(auditAgent(agent, twice, asked()).faults).toContain(
      'a.2: 2 ends, the last event is TurnCompleted',
    )
    expect(auditAgent(agent, log().slice(0, -1), asked()).faults[0]).toMatch(/^a.2: 0 ends/)
    const early = log().map((event) =>
      event.stream_id === 'run-2' ? { ...event, position: event.position - 20 } : event,
    )
    expect(auditAgent(agent, early, asked()).faults.join()).toContain('began before')
  })

  it('sees a call that was recorded and made again', () => {
    const model = asked()
    model.asked.set('a.1/2', 2)
    expect(auditAgent(agent, log(), model).faults).toEqual([
      'a.1: step 2 was asked 2 times instead of 1',
    ])
    const search = asked()
    search.searched.set('a.2', 2)
    expect(auditAgent(agent, log(), search).faults).toHaveLength(1)
  })

  it('allows a call once more behind a retry that was decided on', () => {
    const events = log()
    const at = events.findIndex(({ type }) => type === 'ModelRequested')
    const request = events[at] as AuditedEvent
    const later = events.splice(at + 1)
    const isOfRun = (event: AuditedEvent) => event.stream_id === request.stream_id
    events.push({ ...request, type: 'ModelRetryScheduled', version: request.version + 1 })
    events.push(...later.map((e) => (isOfRun(e) ? { ...e, version: e.version + 1 } : e)))
    const model = asked()
    model.asked.set('a.1/1', 2)
    expect(auditAgent(agent, events, model)).toMatchObject({ faults: [], repeatedInFlight: 1 })
  })

  it('sees a write under a claim that somebody else had followed', () => {
    const stale = log().map((event) =>
      event.type === 'TurnCompleted' && event.run_id === 'run-2' ? { ...event, epoch: 1 } : event,
    )
    expect(auditAgent(agent, stale, asked())).toMatchObject({ staleWrites: 1 })
  })
})
