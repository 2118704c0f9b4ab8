import type { BlockFilter } from '#read-models/blocks.js'
import { Problem } from '../http/problem.js'
import type { QueryReader } from '../http/query.js'

const COUNT_RANGE = { min: 0, max: Number.MAX_SAFE_INTEGER }
const TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/

/**
 * What a list of blocks is narrowed to; null when the query asks for what no block has (identities).
 *
 * @throws Problem invalid_query
 */
export function blockFilter(query: QueryReader): BlockFilter | null {
  if (query.text('identity_id') !== undefined) return null
  if (query.texts('identifier_keys').length > 0) return null
  return {
    label: query.text('label'),
    labelSearch: query.text('label_search'),
    descriptionSearch: query.text('description_search'),
    valueSearch: query.text('value_search'),
    tags: query.texts('tags'),
    matchAllTags: query.flag('match_all_tags'),
    templates: query.flag('templates_only'),
    templateName: query.text('name'),
    projectId: query.text('project_id'),
    showHidden: query.flag('show_hidden_blocks'),
    agentsMoreThan: query.integer('connected_to_agents_count_gt', COUNT_RANGE),
    agentsFewerThan: query.integer('connected_to_agents_count_lt', COUNT_RANGE),
    agentsExactly: query.texts('connected_to_agents_count_eq').map(count),
  }
}

/** The moment or the version a read asks for; null for the present. */
export type Past = { readonly version: number } | { readonly at: Date } | null

/** @throws Problem invalid_query */
export function pastOf(query: QueryReader): Past {
  const version = query.integer('at_version', { min: 1, max: 2_147_483_647 })
  const at = query.text('at')
  if (version !== undefined && at !== undefined) {
    throw invalid('at', 'cannot stand beside at_version')
  }
  if (version !== undefined) return { version }
  if (at === undefined) return null
  // A plus sign that was not encoded arrives as a space.
  const time = at.replace(/ (?=\d{2}:?\d{2}$)/, '+')
  const date = new Date(TIME.test(time) ? time : Number.NaN)
  if (Number.isNaN(date.getTime())) throw invalid('at', 'is not a time with an offset, ISO 8601')
  return { at: date }
}

function count(text: string): number {
  const name = 'connected_to_agents_count_eq'
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw invalid(name, 'is not a whole number')
}

function invalid(parameter: string, what: string): Problem {
  return new Problem('invalid_query', `The query parameter ${parameter} ${what}`, {
    facts: { parameter },
  })
}
