import { expect, test } from 'vitest'
import { definitionText } from './definition-text.ts'
import { accounts } from './sample-projection.test-fixture.ts'
import type { CommutativeProjection, FoldHandler, Projection, SqlProjection } from './definition.ts'

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

const { table } = accounts
const unchanged: FoldHandler = (row) => row
const counted: CommutativeProjection = {
  ...accounts,
  kind: 'commutative',
  on: { Deposited: () => ({ events: 1 }) },
  operations: { balance: 'inc', events: 'inc' },
}
const written: SqlProjection = {
  ...accounts,
  kind: 'sql',
  on: { Deposited: async () => undefined },
  migrate: async () => undefined,
}

test.for<{ what: string; original: Projection; changed: Projection }>([
  {
    what: 'a column',
    original: accounts,
    changed: { ...accounts, table: { ...table, columns: { ...table.columns, balance: 'bigint' } } },
  },
  {
    what: 'the column of the key',
    original: accounts,
    changed: { ...accounts, table: { ...table, keyColumn: 'balance' } },
  },
  {
    what: 'the first row of a fold',
    original: accounts,
    changed: { ...accounts, initial: (id) => ({ id, balance: 1, events: 0 }) },
  },
  {
    what: 'the key of rows',
    original: accounts,
    changed: { ...accounts, rowKey: ({ type }) => type },
  },
  {
    what: 'a handler that there was not',
    original: accounts,
    changed: { ...accounts, on: { ...accounts.on, Renamed: unchanged } },
  },
  {
    what: 'what is looked up for a batch',
    original: accounts,
    changed: { ...accounts, enrich: async () => 1 },
  },
  {
    what: 'what is looked up for an event',
    original: accounts,
    changed: { ...accounts, enrichEach: async () => 1 },
  },
  { what: 'tenants', original: accounts, changed: { ...accounts, tenants: 'schema' } },
  {
    what: 'an operation of changes that commute',
    original: counted,
    changed: { ...counted, operations: { ...counted.operations, events: 'max' } },
  },
  {
    what: 'the key of the rows of changes that commute',
    original: counted,
    changed: { ...counted, rowKey: ({ type }) => type },
  },
  {
    what: 'what makes the tables of SQL',
    original: written,
    changed: { ...written, migrate: async (db) => db.destroy() },
  },
])('$what counts', ({ original, changed }) => {
  expect(definitionText(changed)).not.toBe(definitionText(original))
  expect(definitionText({ ...original })).toBe(definitionText(original))
})
