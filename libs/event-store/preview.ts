import { decideUnit } from './group.js'
import { openPlan, type PendingUnit } from './plan.js'
import { foldStreams, type Queryable } from './stream-reader.js'
import type { Project, Verdict } from './unit.js'
import { want } from './wanted.js'

/** Decides a unit on the heads as they are now, and tells it the verdict; the plan goes nowhere. */
export async function preview(
  reads: Queryable,
  pending: PendingUnit,
  project: Project,
): Promise<void> {
  const { tenantId } = pending.unit
  for (;;) {
    const streams = await foldStreams(reads, tenantId, pending.streams)
    const plan = openPlan(tenantId, (id) => streams.get(id))
    const wanted = decideUnit(plan, pending, project)
    if (!wanted) return pending.resolve(plan.verdicts.get(pending) as Verdict<unknown>)
    await want(reads, pending, wanted)
  }
}
