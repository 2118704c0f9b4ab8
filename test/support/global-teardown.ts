import type { TestRun } from './global-setup.js'

/** Ends what set-up started, the last first; one that fails does not keep the others alive. */
export default async function globalTeardown(): Promise<void> {
  const { palimpsestTestRun } = globalThis as { palimpsestTestRun?: TestRun }
  const faults: unknown[] = []
  for (const end of (palimpsestTestRun?.ends ?? []).toReversed()) {
    await end().catch((error: unknown) => faults.push(error))
  }
  if (faults.length > 0) throw new AggregateError(faults, 'test teardown')
}
