import { defineEvents } from '@fairlead/avro'
import { EVENT_HEADERS } from '@fairlead/base'
import { type FoldProjection, defineProjection, remove } from './definition.ts'
import type { LogRecord, PreparedRecord } from './log-record.ts'
import { headersText, keyText } from './log-record.ts'
import { sourcePosition } from './source-position.ts'
import { tables } from './table.ts'

const AccountEvents = defineEvents({
  topic: 'outbox.event.account',
  key: 'accountId',
  events: {
    Deposited: {
      type: 'record',
      name: 'Deposited',
      fields: [
        { name: 'accountId', type: 'string' },
        { name: 'amount', type: 'int' },
      ],
    },
    Closed: {
      type: 'record',
      name: 'Closed',
      fields: [{ name: 'accountId', type: 'string' }],
    },
    Renamed: {
      type: 'record',
      name: 'Renamed',
      fields: [{ name: 'accountId', type: 'string' }],
    },
  },
})

type DB = { account: { id: string; balance: number; events: number } }

/** Refuses negative amounts, and deletes what is closed. */
export const accounts: FoldProjection = defineProjection({
  name: 'accounts',
  version: 1,
  from: AccountEvents,
  into: tables<DB>()('account', 'id', { id: 'text', balance: 'integer', events: 'integer' }),
}).fold({
  initial: (id) => ({ id, balance: 0, events: 0 }),
  on: {
    Deposited: (row, { data }) => {
      if (data.amount < 0) throw new RangeError(`amount ${data.amount} is negative`)
      return { ...row, balance: row.balance + data.amount, events: row.events + 1 }
    },
    Closed: () => remove,
  },
})

export type SampleEvent =
  | { readonly type: 'Deposited'; readonly key: string; readonly amount: number }
  | { readonly type: 'Closed'; readonly key: string }

const utf8 = new TextEncoder()

/** The record of an event of its own transaction; `commit` counts transactions. */
export function sampleRecord(event: SampleEvent, offset: number, commit: number): PreparedRecord {
  const header = (name: string, text: string) => [name, utf8.encode(text)] as const
  const record: LogRecord = {
    topic: AccountEvents.topic,
    partition: 0,
    offset,
    timestampMs: 1_000 + commit,
    key: utf8.encode(event.key),
    value: new Uint8Array(),
    headers: [
      header(EVENT_HEADERS.type, event.type),
      header(EVENT_HEADERS.commitLsn, `0/${(commit + 1).toString(16)}`),
      header(EVENT_HEADERS.commitIndex, '0'),
      header(EVENT_HEADERS.commitTimestampMs, String(1_000 + commit)),
    ],
  }
  const headers = headersText(record)
  return {
    record,
    key: keyText(record),
    tenant: '',
    eventType: event.type,
    source: sourcePosition(headers),
    content: {
      kind: 'event',
      event: {
        type: event.type,
        data: event.type === 'Deposited' ? { amount: event.amount } : {},
        id: String(commit),
        key: event.key,
        // oxlint-disable-next-line no-restricted-globals
        at: new Date(record.timestampMs),
        source: { topic: record.topic, partition: 0, offset },
        headers,
      },
    },
  }
}
