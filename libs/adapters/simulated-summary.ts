import { SUMMARY_TASK } from '#turns/summary-request.js'

const QUOTES_MAX = 10
const QUOTE_CHARACTERS_MAX = 120

/**
 * The stand-in's answer to a request for a summary: what users said, shortened, behind an earlier summary.
 *
 * @param messages texts of a request
 * @returns null when it asks for no summary
 */
export function simulatedSummary(
  messages: readonly { readonly content?: unknown }[],
): string | null {
  const [task, said] = messages.map(({ content }) => String(content ?? ''))
  if (!task?.startsWith(SUMMARY_TASK)) return null
  const earlier = /<earlier_summary>\n([\s\S]*?)\n<\/earlier_summary>/.exec(said ?? '')?.[1]
  const lines = (said ?? '').split('\n').filter((line) => line.startsWith('user: '))
  const quotes = lines.slice(-QUOTES_MAX).map((line) => {
    return `- ${Array.from(line).slice(0, QUOTE_CHARACTERS_MAX).join('')}`
  })
  const head = `[simulated] The user has written ${lines.length} messages since; the newest:`
  return [...(earlier ? [earlier] : []), head, ...quotes].join('\n')
}
