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

test('layout does not count', () => {
  expect(textOf(evaluated('(row) => ({ ...row, a: 1 })'))).toBe(
    textOf(evaluated('(row)=>({\n  ...row,\n  a: 1 })')),
  )
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
