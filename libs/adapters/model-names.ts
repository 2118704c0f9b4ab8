const CONTEXT_WINDOW_DEFAULT = 128_000
/** Tokens by the beginning of the name; the first that fits counts. */
const CONTEXT_WINDOWS: readonly (readonly [string, number])[] = [
  ['gpt-3.5-turbo', 16_385],
  ['gpt-4-turbo', 128_000],
  ['gpt-4.1', 1_047_576],
  ['gpt-4o', 128_000],
  ['gpt-4.5', 128_000],
  ['gpt-4', 8_192],
  ['gpt-5', 400_000],
  ['o1', 200_000],
  ['o3', 200_000],
  ['o4', 200_000],
]

/** What stands after the first slash of `provider/model`; names may hold further slashes. */
export function modelName(handle: string): string {
  return handle.slice(handle.indexOf('/') + 1)
}

/** Tokens a model takes, by its name; 128 000 for names not known here. */
export function contextWindow(name: string): number {
  return CONTEXT_WINDOWS.find(([start]) => name.startsWith(start))?.[1] ?? CONTEXT_WINDOW_DEFAULT
}
