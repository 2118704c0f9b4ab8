// A closed loop: `inFlight` operations at once, each started when one before it ends.

/**
 * @param {number} inFlight
 * @param {number} durationMs
 * @param {(worker: number, n: number) => Promise<unknown>} operation one that throws counts as failed
 * @returns operations a second, latencies in ms, and how many there were
 */
export async function load(inFlight, durationMs, operation) {
  const latencies = []
  let failed = 0
  const begun = performance.now()
  const end = begun + durationMs
  const worker = async (id) => {
    for (let n = 0; performance.now() < end; n++) {
      const started = performance.now()
      try {
        await operation(id, n)
      } catch {
        failed += 1
        continue
      }
      latencies.push(performance.now() - started)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, id) => worker(id)))
  const seconds = (performance.now() - begun) / 1000
  return { perSecond: latencies.length / seconds, ...spread(latencies), failed }
}

/** How many there are, and their p50 and p99. */
export function spread(latencies) {
  const sorted = Float64Array.from(latencies).sort()
  return { done: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}

export function median(values) {
  return quantile(Float64Array.from(values).sort(), 0.5)
}

function quantile(sorted, q) {
  if (sorted.length === 0) return Number.NaN
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
}
