/**
 * The arguments of an earlier call as they are sent back. Some servers parse them and refuse every later
 * request over text that is not JSON: such text goes back wrapped, so that one slip of the model does
 * not end the conversation.
 */
export function sentArguments(text: string): string {
  return isJsonObject(text) ? text : JSON.stringify({ malformed_arguments: text })
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
