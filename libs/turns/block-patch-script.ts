import { lines } from '#domain/text.js'
import {
  asking,
  labelOfPath,
  type MemoryCall,
  type MemoryOperation,
  renaming,
  unreadable,
} from './memory-operation.js'

/** One call is one commit: it stays small enough to hold up nobody else. */
const OPERATIONS_MAX = 50
const HEADER = /^\*\*\* +(Add Block|Update Block|Delete Block|Move to): *(.*?) *$/
/** What frames a patch in other dialects, and says nothing. */
const FRAME = /^\*\*\* (Begin|End) Patch *$/
const DESCRIPTION = /^Description: *(.*?) *$/

type Verb = 'Add Block' | 'Update Block' | 'Delete Block' | 'Move to'

/** A header and the lines below it, up to the next one. */
interface Section {
  readonly verb: Verb
  readonly label: string
  /** 1-based line of the patch. */
  readonly line: number
  readonly body: readonly string[]
}

/**
 * What a patch asks for. Without headers it is one edit of the block named beside it. With headers
 * (`*** Add Block: label`, `*** Update Block: label`, `*** Delete Block: label`, `*** Move to: label`) it is
 * several operations in order, each on what the ones before it leave.
 */
export function readPatch(label: string, patch: string): MemoryCall {
  const all = lines(patch)
  const sections: Section[] = []
  let body: string[] = []
  for (const [i, line] of all.entries()) {
    if (!line.startsWith('*** ')) body.push(line)
    else if (!FRAME.test(line)) {
      const [, verb, named] = HEADER.exec(line) ?? []
      if (!named) return unreadable(`line ${i + 1} of the patch is no header that is known`)
      if (sections.length === 0 && body.some((before) => before.trim() !== '')) {
        return unreadable(`line ${i + 1} of the patch is its first header: nothing may stand above`)
      }
      body = []
      sections.push({ verb: verb as Verb, label: labelOfPath(named), line: i + 1, body })
    }
  }
  if (sections.length > 0) return readSections(sections)
  return asking({ do: 'edit', label, command: { type: 'PatchText', patch } })
}

function readSections(sections: readonly Section[]): MemoryCall {
  const operations: MemoryOperation[] = []
  let current: string | null = null
  for (const section of sections) {
    const { verb, label, line } = section
    const body = withoutBlankEnd(section.body)
    if (verb === 'Delete Block') {
      operations.push({ do: 'detach', label })
      current = null
    } else if (verb === 'Add Block') {
      const fault = operationOfAdd(section, body)
      if (typeof fault === 'string') return unreadable(fault)
      operations.push(fault)
      current = label
    } else if (verb === 'Update Block') {
      if (body.length > 0 || !movesNext(sections, section)) operations.push(patching(label, body))
      current = label
    } else {
      if (current === null) {
        return unreadable(`line ${line} of the patch moves a block, and no block stands above it`)
      }
      operations.push(renaming(current, label))
      current = label
      if (body.length > 0) operations.push(patching(label, body))
    }
  }
  if (operations.length > OPERATIONS_MAX) {
    return unreadable(
      `the patch has ${operations.length} operations, and ${OPERATIONS_MAX} at most`,
    )
  }
  return asking(...operations)
}

function patching(label: string, body: readonly string[]): MemoryOperation {
  return { do: 'edit', label, command: { type: 'PatchText', patch: body.join('\n') } }
}

/** Below `Update Block` there may be nothing but the new label, and the hunks below that. */
function movesNext(sections: readonly Section[], section: Section): boolean {
  return sections[sections.indexOf(section) + 1]?.verb === 'Move to'
}

/** The new block, or what is wrong with the lines it is to have. */
function operationOfAdd(
  { label, line }: Section,
  body: readonly string[],
): MemoryOperation | string {
  let description: string | null = null
  const value: string[] = []
  for (const [i, raw] of body.entries()) {
    const described = value.length === 0 && description === null ? DESCRIPTION.exec(raw) : null
    if (described) description = described[1] as string
    else if (raw.startsWith('+')) value.push(raw.slice(1))
    else if (raw !== '')
      return `line ${line + 1 + i} of the patch must begin with +, as text to add`
    else if (value.length > 0) value.push('')
  }
  return { do: 'create', label, description, value: value.join('\n') }
}

/** Models put an empty line between sections: it is no part of the one above. */
function withoutBlankEnd(body: readonly string[]): readonly string[] {
  const last = body.findLastIndex((line) => line !== '')
  return body.slice(0, last + 1)
}
