import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from '@jest/globals'
import { errorsDoc } from './support/errors-doc.js'

const PATH = 'docs/errors.md'

it('docs/errors.md says what the table of codes says (UPDATE_DOCS=1 writes it again)', () => {
  if (process.env['UPDATE_DOCS']) writeFileSync(PATH, errorsDoc())
  expect(readFileSync(PATH, 'utf8')).toBe(errorsDoc())
})
