/** Who did it. `id` comes from the credential or the turn; a claimed name (Letta's `user_id`) is only a name. */
export interface Actor {
  readonly kind: 'agent' | 'user' | 'service' | 'api_key' | 'system'
  readonly id: string
  readonly name?: string
}

/** The turn, model step and tool call that caused a change; absent for changes made over REST. */
export interface Correlation {
  readonly run_id: string
  readonly step?: number
  readonly tool_call_id?: string
  readonly epoch?: number
}
