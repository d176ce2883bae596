import { lsn } from '@fairlead/base'
import { type EventPosition, RoutedEvent } from '@fairlead/cdc'
import { Metrics } from '@fairlead/service'
import { expect, test } from 'vitest'
import { RelayMetrics } from '../metrics.ts'
import { tableOrigin } from '../parked/stored-event.ts'
import type { ParkedEvents } from '../source/parked-events.ts'
import { FakeBrokers } from '../testing/fake-brokers.ts'
import { Publisher } from './publisher.ts'
import { TailStore } from './tail-store.ts'
import { TopicCreation } from './topic-creation.ts'
import { Topics } from './topics.ts'

const BATCHES = {
  batchRecordsMax: 100,
  batchBytesMax: 100_000,
  queueBytesMax: 1_000_000,
  batchesInFlightMax: 1,
}
const NO_TRANSACTION = { eventReceived: () => undefined, eventAcknowledged: () => undefined }
const NOTHING_PARKED = { isSettled: () => false, isBlocked: () => false } as Pick<
  ParkedEvents,
  'isSettled' | 'isBlocked'
> as ParkedEvents

function eventAt(position: EventPosition): RoutedEvent {
  return RoutedEvent.of({
    position,
    commitTimestampMs: 0,
    eventId: 'e',
    aggregateType: 'order',
    aggregateId: 'k',
    type: 'Tested',
    headersText: null,
    topic: 'orders',
    key: new Uint8Array([1]),
    value: null,
    headers: [],
    timestampMs: 0,
  })
}

/** A transaction that commits while a watermark is written is before it in the stream, and behind the place of its message. */
test('a batch that ends with rows of a snapshot is published up to its newest event', async () => {
  const brokers = new FakeBrokers()
  brokers.isTransactional = true
  const { producer, admin, reader } = brokers.open()
  const committed: EventPosition[] = []
  const publisher = new Publisher({
    ...BATCHES,
    producer: {
      ...producer,
      commit: (_, last) => {
        committed.push(last)
        return Promise.resolve()
      },
    },
    topics: new Topics({
      admin,
      reader,
      source: '1/slot',
      creation: new TopicCreation({ partitions: 1, replicationFactor: 1, configs: {} }),
      singlePartitionTopic: undefined,
      batches: BATCHES,
      isEncoded: false,
      tails: new TailStore(),
    }),
    encoder: undefined,
    isPermitted: () => true,
    metrics: new RelayMetrics(new Metrics({ service: 'relay', version: 'test' })),
    recordBytesMax: 100_000,
    wallNowMs: () => 0,
    interlude: { isDue: false, step: () => Promise.resolve() },
    deadLetterTopic: undefined,
    slotName: 'slot',
    onParked: () => undefined,
    onProgress: () => undefined,
  })
  const event = { commitLsn: lsn(20n), commitIndex: 3 }
  const row = { commitLsn: lsn(10n), commitIndex: 0 }
  for (const position of [event, row]) {
    publisher.enqueue(eventAt(position), tableOrigin('outbox.events'), NO_TRANSACTION)
  }
  const running = publisher.run(NOTHING_PARKED)
  await publisher.idle()
  publisher.stop()
  await running
  expect(committed).toEqual([event])
})
