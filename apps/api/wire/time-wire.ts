/** A time as the wire has it: UTC, milliseconds, `+00:00` for an offset. */
export function wireTime(time: Date): string {
  return time.toISOString().replace('Z', '+00:00')
}

/** The same, null for none. */
export function wireTimeOrNull(time: Date | null): string | null {
  return time && wireTime(time)
}
