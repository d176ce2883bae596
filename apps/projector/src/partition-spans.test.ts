import type { LogRecord, PreparedRecord } from '@fairlead/projection'
import { SpanStatusCode, trace } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PartitionSpans } from './partition-spans.ts'
import { accounts, deposited } from './testing/accounts.test-fixture.ts'
import { type Recorded, forgetSpans, recordSpans } from './testing/recorded-spans.test-fixture.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const TOPIC = 'outbox.event.account'

let recorded: readonly Recorded[]

beforeEach(() => {
  recorded = recordSpans()
})

afterEach(forgetSpans)

function spans(): PartitionSpans {
  const at = { projectionId: 1, schemaName: 'rm_accounts_v1', topic: TOPIC, partition: 3 }
  return new PartitionSpans({ projection: accounts, ...at }, { groupId: 'projector-accounts-v1' })
}

function recordOf(offset: number, traceparent?: string): LogRecord {
  const headers =
    traceparent === undefined ? [] : [['traceparent', Buffer.from(traceparent)] as const]
  return {
    ...deposited('a', 1, headers),
    topic: TOPIC,
    partition: 3,
    offset,
    timestampMs: 0,
  }
}

function admitted(...records: readonly LogRecord[]) {
  const at = { nextOffset: 0, source: null, eventTimeMs: null }
  const prepared = records.map(
    (record): PreparedRecord => ({
      record,
      key: 'a',
      tenant: '',
      eventType: null,
      source: null,
      content: { kind: 'ignored' },
    }),
  )
  return { from: at, to: at, records: prepared, ignoredCount: 0, duplicateCount: 0 }
}

test('a transaction is linked to the traces of its events, once to each', async () => {
  const other = `00-${TRACE.replace('4', '5')}-${SPAN}-00`
  const own = `00-${TRACE}-${SPAN}-01`
  const batch = admitted(recordOf(7, own), recordOf(8), recordOf(9, own), recordOf(10, other))
  expect(await spans().process(batch, async () => 'rows')).toMatchObject({ applied: 'rows' })
  expect(recorded).toMatchObject([
    {
      name: `process ${TOPIC}`,
      parent: undefined,
      isEnded: true,
      attributes: {
        'messaging.destination.partition.id': '3',
        'messaging.batch.message_count': 4,
        'messaging.kafka.offset': 7,
        'projection.name': 'accounts',
      },
      links: [
        { context: { traceId: TRACE, spanId: SPAN, traceFlags: 1 } },
        { context: { traceId: TRACE.replace('4', '5'), traceFlags: 0 } },
      ],
    },
  ])
  expect(recorded[0]?.links).toHaveLength(2)
})

test('the transaction of one event is a part of its trace', async () => {
  await spans().process(admitted(recordOf(7, `00-${TRACE}-${SPAN}-01`)), async () => undefined)
  expect(recorded[0]?.parent).toMatchObject({ traceId: TRACE, spanId: SPAN, isRemote: true })
})

describe('without an SDK', () => {
  beforeEach(() => trace.disable())

  const traceOf = async (...records: readonly LogRecord[]) =>
    (await spans().process(admitted(...records), async () => undefined)).trace

  test('the transaction of one event is of the trace that its record names', async () => {
    const one = recordOf(7, `00-${TRACE}-${SPAN}-01`)
    expect(await traceOf(one)).toEqual({ trace_id: TRACE, span_id: SPAN })
  })

  test('one that was not sampled is of none, which nobody could look up', async () => {
    expect(await traceOf(recordOf(7, `00-${TRACE}-${SPAN}-00`))).toBeUndefined()
  })

  test('one of several events is of none', async () => {
    const one = recordOf(7, `00-${TRACE}-${SPAN}-01`)
    expect(await traceOf(one, recordOf(8))).toBeUndefined()
  })
})

test.for(['', 'garbage', `00-${'0'.repeat(32)}-${SPAN}-01`, `00-${TRACE}-${'0'.repeat(16)}-01`])(
  'the header "%s" names no trace',
  async (header) => {
    await spans().process(admitted(recordOf(7, header)), async () => undefined)
    expect(recorded[0]).toMatchObject({ parent: undefined, links: [] })
  },
)

test('a transaction that fails has its error, and no values of events in it', async () => {
  const failing = spans().process(admitted(recordOf(7)), async () => {
    throw new RangeError('the balance of ana is 5')
  })
  await expect(failing).rejects.toThrow(RangeError)
  expect(recorded[0]).toMatchObject({
    isEnded: true,
    status: { code: SpanStatusCode.ERROR, message: 'RangeError' },
    attributes: { 'error.type': 'RangeError' },
  })
})

test('a fetch has a span when it brings records', () => {
  spans().polled({ records: [] }, 5)
  spans().polled({ records: [recordOf(7)] }, 5)
  expect(recorded).toMatchObject([
    { name: `poll ${TOPIC}`, options: { startTime: 5 }, isEnded: true },
  ])
})
