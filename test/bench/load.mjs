// A closed loop: `inFlight` operations at once, each started when one before it ends.

/**
 * @param {number} inFlight
 * @param {number} durationMs
 * @param {(worker: number, n: number) => Promise<unknown>} operation
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
  latencies.sort((a, b) => a - b)
  return {
    perSecond: latencies.length / seconds,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    done: latencies.length,
    failed,
  }
}

export function quantile(sorted, q) {
  return sorted.length === 0
    ? Number.NaN
    : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return quantile(sorted, 0.5)
}
