/** Top-level functions only: what is indented is a detail of another one. */
const FUNCTIONS = {
  python: /^(?:async[ \t]+)?def[ \t]+([A-Za-z_]\w*)[ \t]*\(/gm,
  typescript: /^(?:export[ \t]+)?(?:async[ \t]+)?function[ \t]+([A-Za-z_]\w*)[ \t]*[(<]/gm,
} as const

/** The name of the last function of a source: helpers stand before what they help. */
export function sourceFunctionName(source: string, type: string): string | undefined {
  const pattern = type === 'typescript' ? FUNCTIONS.typescript : FUNCTIONS.python
  return [...source.matchAll(pattern)].at(-1)?.[1]
}
