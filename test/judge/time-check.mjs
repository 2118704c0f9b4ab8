// Check 3: what was answered before an operation began, that operation has seen. One sweep over all instants.

/**
 * @param {readonly import('./record.mjs').Operation[]} history
 * @param {import('./log-check.mjs').Units} units
 * @param {import('./verdict.mjs').Verdict} verdict
 */
export function checkTime(history, { units, firsts }, verdict) {
  const known = new Known()
  for (const { begins, operation } of instants(history)) {
    // Who asks again is given the first answer, however old it is.
    const first = operation.edits.length === 0 || firsts.get(operation.command) === operation
    const unit = first ? units.get(operation.command) : undefined
    if (!begins) known.learn(operation, unit)
    else if (first) known.mustBeSeenBy(operation, unit, verdict)
  }
}

/** At one instant what begins comes before what ends: they overlap. */
function instants(history) {
  const all = []
  for (const operation of history) {
    all.push({ at: operation.t_invoke, begins: true, operation })
    if (operation.outcome.status === 'unknown') continue
    all.push({ at: operation.t_return, begins: false, operation })
  }
  return all.sort((a, b) => a.at - b.at || Number(b.begins) - Number(a.begins))
}

/** What has been answered by an instant. */
class Known {
  /** The greatest version of each stream. */
  #versions = new Map()
  #position = 0
  /** The newest claim of each agent. */
  #epochs = new Map()

  /**
   * @param {import('./record.mjs').Operation} operation
   * @param {import('./log-check.mjs').LogUnit | undefined} unit
   */
  learn({ outcome, agentId, atVersion }, unit) {
    if (outcome.status === 'claimed') this.#rise(this.#epochs, agentId, outcome.epoch)
    if (atVersion === undefined) {
      for (const [stream, version] of seenIn(outcome)) this.#rise(this.#versions, stream, version)
    }
    for (const { stream, version, position } of unit?.events ?? []) {
      this.#rise(this.#versions, stream, version)
      this.#position = Math.max(this.#position, position)
    }
  }

  /**
   * Versions that an operation is to come to are known only from its end, and compared at its beginning.
   *
   * @param {import('./record.mjs').Operation} operation
   * @param {import('./log-check.mjs').LogUnit | undefined} unit
   * @param {import('./verdict.mjs').Verdict} verdict
   */
  mustBeSeenBy(operation, unit, verdict) {
    const { op_id, outcome, atVersion, tool } = operation
    if (atVersion === undefined) {
      for (const [stream, version] of seenIn(outcome)) {
        const least = this.#versions.get(stream) ?? 0
        if (version < least)
          verdict.add('time', 'stale', `${op_id} ${stream}`, `>= ${least}`, version)
      }
    }
    for (const { stream, version, position } of unit?.events ?? []) {
      const least = this.#versions.get(stream) ?? 0
      if (version <= least) verdict.add('time', 'before_its_time', op_id, `> ${least}`, version)
      if (position <= this.#position) {
        verdict.add('time', 'position', op_id, `> ${this.#position}`, position)
      }
    }
    const epoch = tool && this.#epochs.get(tool.agentId)
    if (epoch > tool?.epoch && unit) verdict.add('time', 'fenced_write', op_id, epoch, tool?.epoch)
  }

  #rise(map, key, to) {
    if ((map.get(key) ?? 0) < to) map.set(key, to)
  }
}

/** Every version an outcome names. */
function seenIn(outcome) {
  switch (outcome.status) {
    case 'ok':
      return Object.entries(outcome.version)
    case 'rejected':
    case 'previewed':
      return Object.entries(outcome.at ?? {})
    case 'read':
      return Object.entries(outcome.blocks).map(([id, { version }]) => [id, version])
    default:
      return []
  }
}
