// Faults in what is judged, and on what.
import { acceptance, bending, mistaking, onlyEdit, withEffects } from './tampering.mjs'

const withoutBase = (edit, block) => ({ ...edit, baseVersion: block.version })

/** The states as the writer had seen them: blocks at its base version. */
function asSeen(call, states, changed) {
  const bases = new Map(call.operation.edits.map((edit) => [edit.blockId, edit.baseVersion]))
  return {
    has: (id) => states.has(id),
    agent: (id) => states.agent(id),
    turn: (id) => states.turn(id),
    block(id) {
      const now = states.block(id)
      const base = bases.get(id)
      if (!base || base >= now.version) return now
      return changed(now, call.store.stateAt(id, base))
    },
  }
}

/** @type {readonly import('./bugs.mjs').Bug[]} */
export const JUDGEMENT_BUGS = [
  {
    name: 'guard-ignored',
    breaks: 'under guard a rethink over unseen text is refused',
    rules: {
      decide: (call, states, now) => {
        const decision = call.unit.decide(states, now)
        const edit = onlyEdit(call)
        if (decision.rejection?.code !== 'stale_base' || edit?.change.type !== 'RethinkBlock')
          return decision
        return call.remake([withoutBase(edit, states.block(edit.blockId))]).decide(states, now)
      },
    },
  },
  {
    name: 'replace-not-validated',
    breaks: 'a replace whose words are gone is refused',
    rules: {
      decide: bending((decision, call, states) => {
        const edit = onlyEdit(call)
        if (decision.rejection?.code !== 'replace_no_match' || edit?.change.type !== 'ReplaceText')
          return decision
        const { old, new: replacement } = edit.change
        const block = states.block(edit.blockId)
        const receipt = { matched: 'exact', places: 1, line: 1, unseen: [] }
        const effect = [{ offset: block.length, delete: 0, insert: replacement }]
        return acceptance(block, 'TextReplaced', { old, new: replacement }, effect, receipt)
      }),
    },
  },
  {
    name: 'refusal-appends',
    breaks: 'a refusal appends nothing to the block',
    rules: {
      decide: bending((decision, call, states) => {
        const edit = onlyEdit(call)
        if (decision.rejection?.code !== 'stale_base' || !edit) return decision
        call.refused = { status: 'rejected', rejection: decision.rejection }
        return acceptance(states.block(edit.blockId), 'BlockRethought', { refused: true }, [], null)
      }),
    },
  },
  {
    name: 'refused-tool-call-without-return',
    breaks: 'a tool call that is refused has its return in the journal',
    rules: {
      decide: bending((decision, { operation }, states) => {
        if (operation.kind !== 'tool' || !decision.appends) return decision
        const returned = decision.appends.find(({ event }) => event.type === 'ToolReturned')
        if (returned?.event.payload.status !== 'error') return decision
        return { appends: [], result: { version: states.turn(operation.tool.runId).version + 1 } }
      }),
    },
  },
  {
    name: 'attach-without-mirror',
    breaks: 'an attachment stands on the agent as well',
    rules: {
      decide: bending((decision) => {
        if (!decision.appends) return decision
        return {
          ...decision,
          appends: decision.appends.filter(({ event }) => event.type !== 'BlockAttached'),
        }
      }),
    },
  },
  {
    name: 'refusal-at-an-old-version',
    breaks: 'a refusal is judged on the text at the commit',
    rules: {
      decide: (call, states, now) => {
        const decision = call.unit.decide(states, now)
        const edit = onlyEdit(call)
        if (!decision.appends || edit?.change.type !== 'ReplaceText') return decision
        const old = asSeen(call, states, (_now, then) => then)
        const stale = call.remake([{ ...edit, baseVersion: null, ifMatch: null }]).decide(old, now)
        return 'rejection' in stale ? stale : decision
      },
    },
  },
  {
    name: 'line-rebase-off-by-one',
    breaks: 'a line number is followed through what was inserted above it',
    rules: {
      decide: mistaking((edit, block) => {
        const { change, baseVersion } = edit
        if (change.place?.at !== 'line' || !baseVersion || baseVersion >= block.version) return edit
        const place = { at: 'line', line: change.place.line + 1 }
        return { ...edit, change: { ...change, place } }
      }),
    },
  },
  {
    name: 'rethink-without-receipt',
    breaks: 'a rethink names what its writer had not seen',
    rules: {
      decide: bending((decision) => {
        for (const { event } of decision.appends ?? []) {
          if (event.type === 'BlockRethought')
            event.payload.receipt = { ...event.payload.receipt, overwrote: [] }
        }
        return decision
      }),
    },
  },
  {
    name: 'preserve-drops-insert',
    breaks: 'under preserve an unseen insert is kept',
    rules: {
      decide: (call, states, now) => {
        const decision = call.unit.decide(states, now)
        const edit = onlyEdit(call)
        const kept = decision.appends?.[0]?.event.payload.receipt?.kept
        if (!kept || !edit) return decision
        return call.remake([withoutBase(edit, states.block(edit.blockId))]).decide(states, now)
      },
    },
  },
  {
    name: 'read-only-as-seen',
    breaks: 'read-only is judged at the commit, not on what the agent saw',
    rules: {
      decide: (call, states, now) =>
        call.unit.decide(
          asSeen(call, states, (block, then) => {
            const { read_only } = then.settings
            return { ...block, settings: { ...block.settings, read_only } }
          }),
          now,
        ),
    },
  },
  {
    name: 'write-after-detach',
    breaks: 'an agent that is detached writes no more',
    rules: {
      decide: (call, states, now) =>
        call.unit.decide(
          asSeen(call, states, (block, then) => ({
            ...block,
            attached: { ...then.attached, ...block.attached },
          })),
          now,
        ),
    },
  },
  {
    name: 'stale-read-modify-write',
    breaks: 'an edit is applied to the text as it is, not to the text its writer had read',
    rules: {
      decide: (call, states, now) => {
        const decision = call.unit.decide(states, now)
        const old = asSeen(call, states, (_now, then) => then)
        return withEffects(decision, (effect, _event, streamId) => {
          const seen = old.block(streamId)
          const { version, length, value } = states.block(streamId)
          if (seen.version === version || effect.length !== 1) return effect
          const { insert } = effect[0]
          return [
            { offset: 0, delete: length, insert: value === '' ? insert : `${seen.value}${insert}` },
          ]
        })
      },
    },
  },
]
