// Faults in how text is taken.
import * as text from '#domain/text.js'
import { acceptance, bending, mistaking, onlyEdit, withEffects } from './tampering.mjs'

const changedText = (change) =>
  mistaking((edit) => {
    const { text: given } = edit.change
    if (typeof given !== 'string' || change(given) === given) return edit
    return { ...edit, change: { ...edit.change, text: change(given) } }
  })

/** @type {readonly import('./bugs.mjs').Bug[]} */
export const TEXT_BUGS = [
  {
    name: 'utf16-offsets',
    breaks: 'offsets count code points',
    rules: {
      decide: bending((decision, _call, states) =>
        withEffects(decision, (effect, _event, streamId) => {
          const { value } = states.block(streamId)
          return effect.map((splice) => {
            const units = text.slice(value, 0, splice.offset).length
            return { ...splice, offset: Math.min(units, text.length(value) - splice.delete) }
          })
        }),
      ),
    },
  },
  {
    name: 'dollar-expansion',
    breaks: 'a replacement is taken literally',
    rules: {
      decide: bending((decision, { operation }) =>
        withEffects(decision, (effect, { type, payload }) => {
          if (type !== 'TextReplaced' || operation.kind === 'batch') return effect
          return effect.map((splice) => ({
            ...splice,
            insert: splice.insert.replaceAll('$&', () => payload.intent.old),
          }))
        }),
      ),
    },
  },
  {
    name: 'non-overlapping-count',
    breaks: 'overlapping occurrences are counted: an ambiguous text is not changed',
    rules: {
      decide: bending((decision, call, states) => {
        const edit = onlyEdit(call)
        if (decision.rejection?.code !== 'replace_ambiguous' || !edit) return decision
        const { old, new: replacement } = edit.change
        const block = states.block(edit.blockId)
        const before = block.value.split(old)
        if (before.length !== 2) return decision
        const effect = [
          { offset: text.length(before[0]), delete: text.length(old), insert: replacement },
        ]
        const receipt = { matched: 'exact', places: 1, line: 1, unseen: [] }
        return acceptance(block, 'TextReplaced', { old, new: replacement }, effect, receipt)
      }),
    },
  },
  {
    name: 'tab-expansion',
    breaks: 'tabs stay as they are',
    rules: { decide: changedText((given) => given.replaceAll('\t', '    ')) },
  },
  {
    name: 'nfc-on-write',
    breaks: 'no text is normalised',
    rules: { decide: changedText((given) => given.normalize('NFC')) },
  },
  {
    name: 'limit-in-bytes',
    breaks: 'the limit counts code points',
    rules: {
      decide: bending((decision, call, states) => {
        const edit = onlyEdit(call)
        const event = decision.appends?.[0]?.event
        if (!edit || !event?.payload.effect?.length || edit.change.type === 'CreateBlock')
          return decision
        const block = states.block(edit.blockId)
        const after = Buffer.byteLength(text.apply(block.value, event.payload.effect))
        if (after <= block.settings.limit) return decision
        return {
          rejection: { code: 'limit_exceeded', detail: '', facts: {}, atVersion: block.version },
        }
      }),
    },
  },
]
