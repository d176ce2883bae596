import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mutated } from './copy-sources.ts'
import { MUTANTS } from './mutants.ts'

const ROOT = join(import.meta.dirname, '../..')

test.for(MUTANTS)('$invariant: $rule ($file) still has a source to change', (mutant) => {
  const source = readFileSync(join(ROOT, mutant.file), 'utf8')
  expect(mutated(source, mutant)).not.toBe(source)
})

test('a text that stands there twice, or not at all, is an error', () => {
  const mutant = { invariant: 'L1', rule: '', file: 'a.ts', before: 'x', after: 'y', tests: [] }
  expect(() => mutated('', mutant)).toThrow('a.ts holds 0 times')
  expect(() => mutated('x x', mutant)).toThrow('a.ts holds 2 times')
  expect(mutated('a x b', mutant)).toBe('a y b')
})

test('every invariant of the log has a mutant', () => {
  const covered = new Set(MUTANTS.map(({ invariant }) => invariant))
  const expected = Array.from({ length: 14 }, (_, index) => `L${index + 1}`)
  expect([...covered].filter((name) => /^L\d+$/.test(name)).sort()).toEqual(expected.sort())
})
