import { expect, test } from 'vitest'
import { definitionText } from './definition-text.ts'
import { accounts } from './sample-projection.test-fixture.ts'
import type { FoldHandler } from './definition.ts'

const textOf = (Deposited: FoldHandler): string =>
  definitionText({ ...accounts, on: { ...accounts.on, Deposited } })

const evaluated = (source: string): FoldHandler => {
  // The same code in two layouts cannot be written here: the formatter would make them one.
  // oxlint-disable-next-line typescript/no-implied-eval
  return new Function(`return ${source}`)() as FoldHandler
}

test.for([
  ['layout', '(row)=>({\n  ...row,\n  a: 1 })'],
  ['a comment', '(row) => ({ ...row, /* was 2 */ a: 1 }) // one'],
  [
    'an apostrophe in a comment, and the layout behind it',
    "(row) => ({ // don't\n ...row,\n   a: 1 })",
  ],
] as const)('%s does not count', ([, source]) => {
  expect(textOf(evaluated(source))).toBe(textOf(evaluated('(row) => ({ ...row, a: 1 })')))
})

test.for([
  ['in quotes, behind a comment with an apostrophe', "(row) => /* don't */ ({ ...row, a: 'x y' })"],
  ['with a comment in it', "(row) => ({ ...row, a: 'x // y' })"],
  ['in a template', '(row) => ({ ...row, a: `x ${row.b ? `y z` : {}} z` })'],
  ['behind a template', "(row) => ({ ...row, a: `x ${`'`}`, b: 'x y' })"],
  ['in a regular expression', '(row) => ({ ...row, a: /[/\\]] y/ })'],
  ['behind a regular expression with a quote', "(row) => ({ ...row, a: /'/, b: 'x y' })"],
  ['behind a division', "(row) => ({ ...row, a: row.a / 2 / 1, b: 'x y' })"],
] as const)('the text %s counts', ([, source]) => {
  const changed = source.replace(/([xy\]]) (?=[yz/])/, '$1  ')
  expect(changed).not.toBe(source)
  expect(textOf(evaluated(changed))).not.toBe(textOf(evaluated(source)))
})

test('what decides about failing events, and what old events become, counts', () => {
  const [source] = accounts.sources
  if (source === undefined) throw new Error('it reads nothing')
  const upcasts = (upcast: (old: { readonly a: number }) => unknown) => ({
    ...accounts,
    sources: [{ ...source, upcasts: { Deposited: { 1: upcast } } }],
  })
  const texts = [
    accounts,
    { ...accounts, classify: () => 'skip' as const },
    { ...accounts, classify: () => 'park' as const },
    upcasts(({ a }) => ({ amount: a })),
    upcasts(({ a }) => ({ amount: a * 100 })),
  ].map((projection) => definitionText(projection))
  expect(new Set(texts).size).toBe(texts.length)
  expect(definitionText({ ...accounts, classify: () => undefined })).toBe(texts[0])
})

test.for([
  ['code', '(row) => ({ ...row, a: 2 })'],
  ['text in quotes', "(row) => ({ ...row, a: 'x  y' })"],
] as const)('%s counts', ([, source]) => {
  const original = textOf(evaluated("(row) => ({ ...row, a: 'x y' })"))
  expect(textOf(evaluated(source))).not.toBe(original)
})

test('columns count', () => {
  const { table } = accounts
  const columns = { ...table.columns, balance: 'bigint' }
  const changed = { ...accounts, table: { ...table, columns } }
  expect(definitionText(changed)).not.toBe(definitionText(accounts))
})
