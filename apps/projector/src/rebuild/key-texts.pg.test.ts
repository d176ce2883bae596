import type { RowKey } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { RebuildFixture } from '../testing/rebuild.test-fixture.ts'
import { KeyTexts } from './key-texts.ts'

const UUID = '00000000-0000-4000-8000-00000000abcd'

test.for<{ type: string; keys: readonly RowKey[]; texts: readonly (string | undefined)[] }>([
  {
    type: 'uuid',
    keys: [UUID, UUID.toUpperCase(), `{${UUID}}`, UUID.replaceAll('-', ''), 'no uuid'],
    texts: [UUID, UUID, UUID, UUID, undefined],
  },
  { type: 'integer', keys: [5, '05', 'five', '6'], texts: ['5', '5', undefined, '6'] },
  { type: 'bigint', keys: [5n, 5, ' 5 '], texts: ['5', '5', '5'] },
  {
    type: 'date',
    keys: ['2026-01-31', '2026-1-31', '20260131', '2026-02-31'],
    texts: ['2026-01-31', '2026-01-31', '2026-01-31', undefined],
  },
  { type: 'numeric', keys: ['1.50', '1.5', '1.501'], texts: ['1.5', '1.5', '1.501'] },
  { type: 'double precision', keys: [0, -0, '-0', 1e21], texts: ['0', '0', '0', '1e+21'] },
  { type: 'text', keys: ['A', 'a', '05'], texts: ['A', 'a', '05'] },
])('keys of type $type have one text when they are one to the database', async (of) => {
  const fixture = await RebuildFixture.open()
  try {
    const table = { name: 'keyed', keyColumn: 'key', columns: { key: of.type } }
    const texts = await new KeyTexts(fixture.db, table).of(of.keys)
    expect(of.keys.map((key) => texts.get(key))).toEqual(of.texts)
  } finally {
    await fixture.close()
  }
})
