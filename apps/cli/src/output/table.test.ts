import { expect, test } from 'vitest'
import { formatTable } from './table.ts'

const COLUMNS = [
  { title: 'name', value: (row: { name: string; count: number }) => row.name },
  { title: 'count', value: (row: { count: number }) => row.count, align: 'right' as const },
] as const

test('columns are as wide as their widest cell, and numbers stand right', () => {
  const rows = [
    { name: 'orders', count: 7 },
    { name: 'a', count: 12_345 },
  ]
  expect(formatTable(rows, COLUMNS, { hasHeader: true })).toBe(
    'NAME    COUNT\norders      7\na       12345\n',
  )
  expect(formatTable(rows, COLUMNS, { hasHeader: false })).toBe('orders      7\na       12345\n')
})

test('a name with control characters cannot move the cursor', () => {
  const rows = [{ name: 'a\u001b[2J\nb', count: 0 }]
  expect(formatTable(rows, COLUMNS, { hasHeader: false })).toBe('a\\u001b[2J\\nb  0\n')
})

test('an empty cell is visible', () => {
  expect(formatTable([{ name: '', count: 1 }], COLUMNS, { hasHeader: false })).toBe('-  1\n')
})

test('a text that is longer than its column may be is cut, and leaves the others their width', () => {
  const [name, count] = COLUMNS
  const rows = [
    { name: 'a'.repeat(10_000), count: 1 },
    { name: 'b', count: 2 },
  ]
  const columns = [{ ...name, lengthMax: 8 }, count]
  expect(formatTable(rows, columns, { hasHeader: false })).toBe('aaaaaaa…  1\nb         2\n')
})
