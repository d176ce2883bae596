import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { lsn } from '@fairlead/base'
import type { OutboxRouter, Relation, RowChange } from '@fairlead/cdc'
import { expect, test } from 'vitest'
import { type EventOrigin, insertOf, routedOrigin } from './stored-event.ts'

const COLUMN_COUNT = 10
const RELATION: Relation = {
  relationOid: 1,
  schema: 'outbox',
  table: 'events',
  replicaIdentity: 'd',
  columns: Array.from({ length: COLUMN_COUNT }, (_, index) => ({
    name: `c${index}`,
    typeOid: 25,
    typeModifier: -1,
    isKey: false,
  })),
}
const CUSTOM = { isCustom: true } as OutboxRouter
const VALUES = Array.from({ length: COLUMN_COUNT }, (_, index) =>
  index === 3 ? null : new TextEncoder().encode(`value ${index}`),
)

function rowOf(values: readonly (Uint8Array | null)[]): RowChange {
  const position = { commitLsn: lsn(1n), commitIndex: 0 }
  return insertOf({ position, commitTimestampMs: 0 }, RELATION, values)
}

/** Its row, and the message that the row came in. */
function originAndMessage(): { readonly origin: EventOrigin; readonly message: WeakRef<object> } {
  const row = rowOf(VALUES)
  if (row.change.kind !== 'insert') throw new Error('not a row')
  return {
    origin: routedOrigin(row, CUSTOM),
    message: new WeakRef(row.change.row.bytes.buffer),
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('a row is kept without the message that it came in', async () => {
  const { origin, message } = originAndMessage()
  // What a WeakRef refers to is kept until the turn has ended.
  await new Promise(setImmediate)
  collectGarbage()
  expect(message.deref()).toBeUndefined()
  expect(origin.row?.valuesBase64).toEqual(
    VALUES.map((value) => (value === null ? null : Buffer.from(value).toString('base64'))),
  )
})

test('a row that is kept counts with the objects around its bytes', () => {
  const row = rowOf(VALUES)
  const usedBytes = () => {
    collectGarbage()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = usedBytes()
  const origins = Array.from({ length: 20_000 }, () => routedOrigin(row, CUSTOM))
  const perOriginBytes = (usedBytes() - before) / origins.length
  // The bound on memory is a rough one.
  expect(origins[0]?.sizeBytes ?? 0).toBeGreaterThan(perOriginBytes * 0.8)
})
