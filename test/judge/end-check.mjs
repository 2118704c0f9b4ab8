// Check 6, and the end of check 4: heads are the fold of their events, and what blocks say of agents, agents say of
// blocks.
import * as text from '#domain/text.js'

/**
 * @param {import('./fold.mjs').Fold} fold
 * @param {import('./record.mjs').Log} log
 * @param {import('./verdict.mjs').Verdict} verdict
 */
export function checkEnd(fold, { heads }, verdict) {
  for (const [id, head] of Object.entries(heads)) {
    const { version, value } = fold.state(id)
    const due = {
      version,
      length: value === undefined ? 0 : text.length(value),
      value: value ?? null,
    }
    // A long text stands in no head.
    const found = head.value === null ? { ...head, value: due.value } : head
    const same =
      due.version === found.version && due.length === found.length && due.value === found.value
    if (!same) verdict.add('projection', 'head', id, due, found)
  }
  const ids = [...fold.ids()]
  const saidByBlocks = ids
    .filter((id) => id.startsWith('block-'))
    .flatMap((id) => Object.entries(fold.block(id).attached).map((of) => `${of[0]} ${id} ${of[1]}`))
  const saidByAgents = ids
    .filter((id) => id.startsWith('agent-'))
    .flatMap((id) => fold.agent(id).blocks.map((block) => `${id} ${block.id} ${block.right}`))
  const blocks = new Set(saidByBlocks)
  const agents = new Set(saidByAgents)
  for (const said of blocks) {
    if (!agents.has(said))
      verdict.add('unit', 'mirror', said, 'on the agent too', 'on the block only')
  }
  for (const said of agents) {
    if (!blocks.has(said))
      verdict.add('unit', 'mirror', said, 'on the block too', 'on the agent only')
  }
}
