import type { Table } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { copyText } from './row-text.ts'

const notes: Table = {
  name: 'note',
  keyColumn: 'id',
  columns: { id: 'integer', text: 'text', more: 'jsonb null' },
}

test('each chunk is of whole rows, as those of several threads are sent in turns', () => {
  const rows = Array.from({ length: 3_000 }, (_, id) => ({
    id,
    text: `${'x'.repeat(id % 97)}\n\t${id}`,
    more: id % 2 === 0 ? null : { lines: '\n' },
  }))
  const chunks = [...copyText(notes, rows)]
  expect(chunks.length).toBeGreaterThan(1)
  for (const chunk of chunks) expect(chunk).toMatch(/^(?:\d+\t[^\t\n]+\t[^\t\n]+\n)+$/)
  const ids = chunks.flatMap((chunk) => chunk.match(/^\d+/gm) ?? [])
  expect(ids.map(Number)).toEqual(rows.map(({ id }) => id))
})

test('there is no chunk without rows', () => {
  expect([...copyText(notes, [])]).toEqual([])
})
