/** How every stream of Letta's ends. */
export const DONE = '[DONE]'

/**
 * JSON on one line that survives both generations of Letta's client: the old one decodes each TCP chunk by
 * itself, which breaks a character that is split, and takes `[DONE]` anywhere for the end.
 */
export function streamText(data: object): string {
  return JSON.stringify(data)
    .replaceAll(/[\u007f-\uffff]/g, escaped)
    .replaceAll(DONE, '\\u005bDONE]')
}

function escaped(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
