import type { BuiltinTool } from '#commands/tools-table.js'
import { tool } from './builtin-tool.js'

const LABEL = { type: 'string', description: 'The label of the memory block.' }

const PATCH = `Change several places of a memory block in one call, or several blocks: everything is applied, or nothing.

Without headers the patch changes the block named by label. Each line begins with a space (it must be there and stays), - (it must be there and goes) or + (it comes). @@ begins the next change. The lines with a space or - must stand exactly once, one after another; + lines alone go to the end.

With headers it does several things in order:
*** Add Block: <label>      (optional: a line "Description: …"; then the text, each line with +)
*** Update Block: <label>   (then changes as above)
*** Delete Block: <label>   (detaches it from you; it is kept)
*** Move to: <new label>    (renames the block above it)`

const PATH = 'The block: /memories/<label>.'

/** The tools that change memory blocks. */
export const MEMORY_TOOLS: readonly BuiltinTool[] = [
  tool(
    'memory_insert',
    'letta_sleeptime_core',
    'Add text to a memory block without touching what is there. Other agents may be adding to the same block: every text is kept.',
    {
      label: LABEL,
      new_string: { type: 'string', description: 'The text to add, without line numbers.' },
      insert_line: {
        type: 'integer',
        description: 'Add after this line: 0 is the beginning, -1 the end.',
        default: -1,
      },
    },
    ['label', 'new_string'],
  ),
  tool(
    'memory_replace',
    'letta_sleeptime_core',
    'Replace one piece of text in a memory block. The old text must be there exactly once; if somebody changed it meanwhile, the call is refused and shows the current text.',
    {
      label: LABEL,
      old_string: {
        type: 'string',
        description: 'The exact text to replace, spaces and line breaks included.',
      },
      new_string: { type: 'string', description: 'The text to put in its place; may be empty.' },
    },
    ['label', 'old_string', 'new_string'],
  ),
  tool(
    'memory_rethink',
    'letta_sleeptime_core',
    'Rewrite a memory block from beginning to end. Use it to condense or reorganize; for a single change use memory_insert or memory_replace.',
    {
      label: LABEL,
      new_memory: {
        type: 'string',
        description:
          'The whole new text of the block; whatever it leaves out is gone from the block.',
      },
    },
    ['label', 'new_memory'],
  ),
  tool(
    'memory_finish_edits',
    'letta_sleeptime_core',
    'Say that you have finished editing the memory.',
    {},
    [],
    { terminal: true },
  ),
  tool(
    'core_memory_append',
    'letta_memory_core',
    'Add a line at the end of a memory block.',
    { label: LABEL, content: { type: 'string', description: 'The text to add.' } },
    ['label', 'content'],
  ),
  tool(
    'core_memory_replace',
    'letta_memory_core',
    'Replace every occurrence of a text in a memory block.',
    {
      label: LABEL,
      old_content: { type: 'string', description: 'The exact text to replace.' },
      new_content: { type: 'string', description: 'The text to put in its place; may be empty.' },
    },
    ['label', 'old_content', 'new_content'],
  ),
  tool(
    'memory',
    'letta_memory_core',
    'Keep your memory blocks: create one, change or add text, rename or describe one, or put one aside. Other agents may be writing to the same block: what they add is kept.',
    {
      command: {
        type: 'string',
        enum: ['create', 'str_replace', 'insert', 'delete', 'rename'],
        description:
          'create: a new block (path, description, file_text). str_replace: one place of a text (path, old_string, new_string). insert: a text (path, insert_text, insert_line). delete: detach a block from you; it is kept (path). rename: a new label (old_path, new_path) or a new description (path, description).',
      },
      path: { type: 'string', description: PATH },
      file_text: { type: 'string', description: 'create: the text to begin with.' },
      description: { type: 'string', description: 'create, rename: what the block is for.' },
      old_string: {
        type: 'string',
        description: 'str_replace: the exact text to replace; it must be there exactly once.',
      },
      new_string: { type: 'string', description: 'str_replace: the text to put in its place.' },
      insert_line: {
        type: 'integer',
        description: 'insert: add after this line; 0 is the beginning, without it the end.',
      },
      insert_text: { type: 'string', description: 'insert: the text to add.' },
      old_path: { type: 'string', description: 'rename: the block as it is called now.' },
      new_path: {
        type: 'string',
        description: 'rename: what it is to be called, for every agent that has it.',
      },
    },
    ['command'],
  ),
  tool(
    'memory_apply_patch',
    'letta_memory_core',
    PATCH,
    {
      label: {
        type: 'string',
        description: 'The block to change, where the patch has no headers.',
      },
      patch: { type: 'string', description: 'The patch, without line numbers.' },
    },
    ['label', 'patch'],
  ),
]
