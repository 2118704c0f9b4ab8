import { type ErrorEntry, refusal, wait } from './error-entry.js'

/** What blocks refuse. */
export const BLOCKS = {
  block_not_found: refusal(404, 'Block not found', 'List the blocks with GET /v1/blocks/.'),
  gone: refusal(404, 'It was deleted', 'It cannot be changed; its history stays readable.'),
  not_attached: refusal(
    404,
    'The block is not attached to the agent',
    "List the agent's blocks with GET /v1/agents/{agent_id}/core-memory/blocks.",
  ),
  already_exists: refusal(409, 'It exists already', 'Read the existing one.'),
  label_taken: refusal(409, 'The label is in use', 'Detach the other block or rename one of them.'),
  block_read_only: refusal(
    403,
    'The block is read-only for agents',
    'Ask an operator to change it: the API can edit a read-only block.',
  ),
  agent_not_attached: refusal(
    403,
    'The agent is not attached to the block',
    'Attach it with PATCH /v1/agents/{agent_id}/core-memory/blocks/attach/{block_id}.',
  ),
  right_missing: refusal(
    403,
    'The agent may not do this to the block',
    'Ask an operator for the right named in needed.',
  ),
  replace_no_match: refusal(
    409,
    'The text to replace is not there',
    'Read the block again and copy the text exactly.',
  ),
  replace_ambiguous: refusal(
    409,
    'The text to replace is there more than once',
    'Send a longer text that occurs only once.',
  ),
  stale_base: refusal(
    409,
    'The block has changed since you read it',
    'Apply your change to the current text and send it with the current version as base_version.',
  ),
  rethink_conflict: refusal(
    409,
    'The rewrite conflicts with later changes',
    'Read the block again and merge the parts named in hunks.',
  ),
  revert_conflict: refusal(
    409,
    'Later edits changed the same text',
    'Undo the later versions first, or edit the text by hand.',
  ),
  anchor_lost: refusal(
    409,
    'The place to insert at is gone',
    'Read the block again and name another place, or insert at the end.',
  ),
  anchor_ambiguous: refusal(
    409,
    'The place to insert at is there more than once',
    'Name a line that occurs only once, or insert at the end.',
  ),
  edit_lease_held: wait(
    409,
    'Somebody else is editing the block',
    'Send the same request again after Retry-After.',
  ),
  limit_below_length: refusal(
    409,
    'The text is longer than the new limit',
    'Shorten the text first, or choose a higher limit.',
  ),
  version_conflict: refusal(
    412,
    'The block has changed',
    'Read the block, apply your change and send it with the new ETag.',
  ),
  limit_exceeded: refusal(
    422,
    'The block would exceed its limit',
    'Shorten the text or raise the limit of the block.',
  ),
  line_out_of_range: refusal(
    422,
    'The block has no such line',
    'Use a line between 0 (the beginning) and line_count, or leave it out for the end.',
  ),
  line_number_prefix: refusal(
    422,
    'The text contains a line number prefix',
    'Line numbers are only shown, they are not part of the text: leave them out.',
  ),
  line_number_banner: refusal(
    422,
    'The text contains the line number note',
    'The note is only shown, it is not part of the text: leave it out.',
  ),
  version_from_future: refusal(
    422,
    'The block has no such version yet',
    'Send the version the block had when you read it.',
  ),
  not_revertible: refusal(422, 'This version cannot be undone', 'Name one that changed text.'),
  content_erased: refusal(422, 'The content was erased', 'Choose a version that still has a text.'),
  too_many_blocks: refusal(422, 'The agent has too many blocks', 'Detach one of its blocks first.'),
  empty_batch: refusal(422, 'The batch is empty', 'Send at least one operation.'),
  base_version_required: refusal(
    428,
    'The block asks for a base version',
    'Send If-Match or base_version.',
  ),
} satisfies Record<string, ErrorEntry>
