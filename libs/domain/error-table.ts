import { BLOCKS } from './block-errors.js'
import { type ErrorEntry, refusal, wait } from './error-entry.js'

const TRANSPORT = {
  not_found: refusal(404, 'Nothing is there', 'Look the route up in docs/api.md.'),
  bad_framing: refusal(
    400,
    'The HTTP message is malformed',
    'Send a well-formed HTTP/1.1 request whose declared length is the length sent.',
  ),
  bad_header: refusal(400, 'A header is not valid', 'Correct the header named in detail.'),
  bad_path: refusal(
    400,
    'The path is not valid',
    'Percent-encode the path as UTF-8, without NUL and without overlong forms.',
  ),
  key_in_url: refusal(
    400,
    'A key stands in the URL',
    'URLs end up in logs: send Authorization: Bearer <token>, and replace this key.',
  ),
  body_required: refusal(400, 'The request needs a body', 'Send JSON as application/json.'),
  bad_json: refusal(400, 'The body is not JSON', 'Send one JSON value, and nothing else.'),
  bad_encoding: refusal(400, 'The body is not UTF-8', 'Encode the body as UTF-8.'),
  too_deep: refusal(400, 'The JSON is nested too deeply', 'Nest at most 32 levels.'),
  request_timeout: refusal(408, 'The request took too long to arrive', 'Send it in one go.'),
  body_too_large: refusal(413, 'The body is too large', 'Send less in one request.'),
  uri_too_long: refusal(414, 'The URL is too long', 'Shorten the path or the query.'),
  unsupported_media_type: refusal(
    415,
    'The media type is not supported',
    'Send content-type: application/json in UTF-8, not compressed.',
  ),
  headers_too_large: refusal(431, 'The headers are too large', 'Send fewer or shorter headers.'),
  unauthorized: refusal(401, 'Not authenticated', 'Send Authorization: Bearer <token>.'),
  scope_missing: refusal(403, 'The key may not do this', 'Use a key with the scope that is named.'),
  ip_not_allowed: refusal(403, 'This address may not use the key', 'Call from an allowed address.'),
  rate_limited: wait(429, 'Too many requests', 'Wait for retry_after_ms, then send it again.'),
  quota_exceeded: wait(429, 'The quota is used up', 'Wait for retry_after_ms, or raise the quota.'),
  busy: wait(503, 'The service is busy', 'Send the same request again after Retry-After.'),
  not_ready: wait(
    503,
    'The service is not ready',
    'Send the same request again after Retry-After.',
  ),
  storage_full: refusal(507, 'The storage is full', 'Ask an operator to make room.'),
  internal: refusal(500, 'An unknown error occurred', 'Report the request_id to an operator.'),
} satisfies Record<string, ErrorEntry>

const FIELDS = {
  invalid_type: refusal(
    422,
    'The request does not fit the schema',
    'Correct the fields named in errors and send the request again.',
  ),
  unknown_field: refusal(
    422,
    'The request has a field that is not known',
    'Leave out the fields named in errors.',
  ),
  invalid_argument: refusal(422, 'An argument is not valid', 'Correct the argument and try again.'),
  reserved_key: refusal(422, 'The JSON has a reserved key', 'Rename __proto__ and constructor.'),
  number_out_of_range: refusal(
    422,
    'A number is out of range',
    'Send numbers between -9007199254740991 and 9007199254740991; others as strings.',
  ),
  too_many_keys: refusal(422, 'The JSON has too many keys', 'Send at most 10000 keys in one body.'),
  nul_not_allowed: refusal(422, 'The text contains NUL', 'Remove every U+0000 from the text.'),
  lone_surrogate: refusal(422, 'The text is not Unicode', 'Send both halves of a surrogate pair.'),
  empty_text: refusal(422, 'The text is empty', 'Send at least one character.'),
  invalid_id: refusal(
    422,
    'The id is not valid',
    'An id is its prefix, a hyphen and a version 4 UUID, as the API returned it.',
  ),
  invalid_label: refusal(
    422,
    'The label is not valid',
    'Use 1 to 100 characters: no control characters, no <, > or &, no space at either end.',
  ),
  invalid_query: refusal(422, 'The query is not valid', 'Correct the parameter named in detail.'),
  invalid_cursor: refusal(
    400,
    'The cursor is not valid',
    'Start again without a cursor, and pass on only what this list returned.',
  ),
  idempotency_key_invalid: refusal(
    422,
    'The Idempotency-Key is not valid',
    'Send 1 to 255 visible ASCII characters.',
  ),
  weak_etag: refusal(
    400,
    'A weak ETag cannot guard a write',
    'Send the ETag as it was returned, e.g. If-Match: "7".',
  ),
  url_not_allowed: refusal(
    422,
    'The URL may not be called',
    'Use an http or https URL of a public host, without credentials.',
  ),
} satisfies Record<string, ErrorEntry>

const IDEMPOTENCY = {
  idempotency_key_reused: refusal(
    422,
    'The Idempotency-Key was used for another request',
    'Use a new key for a new request.',
  ),
  idempotency_in_flight: wait(
    409,
    'The first request with this key is still running',
    'Send the same request with the same key again after Retry-After.',
  ),
} satisfies Record<string, ErrorEntry>

const AGENTS = {
  agent_not_found: refusal(404, 'Agent not found', 'List the agents with GET /v1/agents/.'),
  run_not_found: refusal(404, 'Run not found', 'List the runs with GET /v1/runs/.'),
  step_not_found: refusal(404, 'Step not found', 'List the steps with GET /v1/steps/.'),
  message_not_found: refusal(
    404,
    'Message not found',
    'List the messages with GET /v1/agents/{agent_id}/messages.',
  ),
  tool_not_found: refusal(404, 'Tool not found', 'List the tools with GET /v1/tools/.'),
  trigger_not_found: refusal(
    404,
    'Trigger not found',
    'List the triggers with GET /v1/agents/{agent_id}/triggers.',
  ),
  too_many_triggers: refusal(
    409,
    'The agent has as many triggers as it may',
    'Remove one of them first.',
  ),
  schedule_not_found: refusal(
    404,
    'Schedule not found',
    'List the schedules with GET /v1/agents/{agent_id}/schedules.',
  ),
  too_many_schedules: refusal(
    409,
    'The agent has as many schedules as it may',
    'Delete one of them first.',
  ),
  tools_not_found: refusal(
    400,
    'Some tools do not exist',
    'Create the tools first, or leave them out; GET /v1/tools/ lists what is there.',
  ),
  model_required: refusal(
    400,
    'The agent has no model',
    'Send model as provider/name; GET /v1/models/ lists what is there.',
  ),
  tool_built_in: refusal(
    403,
    'The tool is built in',
    'Built-in tools cannot be changed or deleted: create a tool of your own under another name.',
  ),
  name_taken: refusal(409, 'The name is in use', 'Choose another, or change the existing tool.'),
  mailbox_full: wait(
    429,
    'Too many messages wait for the agent',
    'Send it again once some of the runs before it have ended.',
  ),
  nothing_to_cancel: refusal(
    409,
    'No run is to be cancelled',
    'List the runs that have not ended with GET /v1/runs/active.',
  ),
  run_not_failed: refusal(
    409,
    'The run has not failed',
    'Only a run that failed can be tried again; send a new message instead.',
  ),
  empty_messages: refusal(422, 'There is no message', 'Send at least one message.'),
  message_too_long: refusal(422, 'The message is too long', 'Shorten the message.'),
  unknown_tool_call: refusal(
    409,
    'No tool call has this id',
    'Answer a tool call of the last assistant message, with its id.',
  ),
  tool_not_runnable: refusal(422, 'The tool cannot be run here', 'Use another tool.'),
  agent_busy: refusal(409, 'The agent is busy', 'Wait for the run run_id to end, or cancel it.'),
  pending_approval: refusal(
    409,
    'A tool call waits for approval',
    'Answer the request named in pending_request_id first.',
  ),
  model_unavailable: refusal(
    502,
    'The model could not be reached',
    'Check the provider and its configuration, then send the message again.',
  ),
  model_rate_limited: wait(
    429,
    'The model provider limits the rate',
    'Wait for retry_after_ms, then send it again.',
  ),
} satisfies Record<string, ErrorEntry>

/**
 * Every way a request, a command or a tool call can be refused, one line each. Statuses, problem
 * documents, tool returns and the pages under `/docs/errors/` all come from here.
 */
export const ERROR_TABLE = { ...TRANSPORT, ...FIELDS, ...BLOCKS, ...IDEMPOTENCY, ...AGENTS }
