import { lsn } from '@fairlead/base'
import { RoutedEvent } from '@fairlead/cdc'
import { migrate } from '@fairlead/postgres'
import { testDatabase } from '@fairlead/testing'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { expect, test } from 'vitest'
import { type ParkedEvent, ParkedEvents } from './parked-events.ts'

const MIGRATIONS = fileURLToPath(new URL('../../../../sql/migrations', import.meta.url))

function parkedEvent(commitIndex: number, eventId: string): ParkedEvent {
  return {
    event: RoutedEvent.of({
      position: { commitLsn: lsn(1n), commitIndex },
      commitTimestampMs: 0,
      eventId,
      aggregateType: 'order',
      aggregateId: 'k',
      type: null,
      headersText: null,
      topic: 'Größe',
      key: null,
      value: null,
      headers: [],
      timestampMs: 0,
    }),
    kind: 'failed',
    reasonCode: 'TESTED',
    reason: 'a reason',
    payload: null,
    headersText: null,
    record: { topic: 'Größe', keyBase64: null, timestampMs: 0, headers: [] },
    origin: { table: 'outbox.events', row: undefined },
  }
}

test('an event with what the database cannot store is stored without it, beside the others', async () => {
  const database = await testDatabase()
  const client = new pg.Client({ connectionString: database.url })
  try {
    await migrate({ url: database.url, directory: MIGRATIONS })
    await client.connect()
    const parked = await ParkedEvents.load(client, { slotName: 's', keysMax: 10 })
    await parked.insert([parkedEvent(0, 'a'), parkedEvent(1, 'b\0b'), parkedEvent(2, 'c')])
    const { rows } = await client.query(
      `select event_id, record ->> 'topic' as topic from relay.parked_event order by commit_index`,
    )
    expect(rows).toEqual([
      { event_id: 'a', topic: 'Größe' },
      { event_id: 'b?b', topic: 'Größe' },
      { event_id: 'c', topic: 'Größe' },
    ])
  } finally {
    await client.end()
    await database.drop()
  }
})
