import { randomUUID } from 'node:crypto'
import type { NewEvent } from '@fairlead/avro'
import { EVENT_HEADERS, formatLsn, lsn } from '@fairlead/base'
import { type OutgoingRecord, createProducer, partitionOfKey } from '@fairlead/kafka'
import type { AnyEvent } from '@fairlead/projection'
import { type AvroEncoder, createAvroSerde, createRegistryClient } from '@fairlead/serde'
import { OrderEvents } from '../../examples/shop/src/events.ts'

/** Orders that are under way at a time: how far apart the events of one order are. */
const OPEN_ORDERS = 1_000
const START_MS = Date.UTC(2026, 0, 1)
const START_LSN = 0x1_0000_0000n
const WAL_BYTES_PER_EVENT = 512n
const SEND_RECORDS = 2_000

/** Three events for each order, per partition, as the outbox relay would publish them. */
export function orderEvents(
  orderCount: number,
  partitions: number,
): readonly (readonly AnyEvent[])[] {
  const placed: AnyEvent[][] = Array.from({ length: partitions }, () => [])
  let position = 0
  for (let first = 0; first < orderCount; first += OPEN_ORDERS) {
    for (const event of eventsOf(Math.min(OPEN_ORDERS, orderCount - first))) {
      const partition = partitionOfKey(Buffer.from(event.key), partitions)
      const log = placed[partition]
      if (log === undefined) throw new RangeError(`no partition ${partition}`)
      log.push(place(event, { partition, offset: log.length, position }))
      position += 1
    }
  }
  return placed
}

/** Sends the events in commit order, encoded with the schemas of the registry. */
export async function publish(
  placed: readonly (readonly AnyEvent[])[],
  target: { readonly broker: string; readonly registry: string },
): Promise<void> {
  const encoders = await encodersOf(target.registry)
  const producer = createProducer({ bootstrapServers: [target.broker], clientId: 'bench' })
  const events = placed.flat().sort((left, right) => left.at.getTime() - right.at.getTime())
  for (let first = 0; first < events.length; first += SEND_RECORDS) {
    const records = events.slice(first, first + SEND_RECORDS)
    await producer.send(records.map((event) => toRecord(event, encoders)))
  }
  await producer.close()
}

function eventsOf(orderCount: number): readonly NewEvent[] {
  const orderIds = Array.from({ length: orderCount }, () => randomUUID())
  const at = new Date(START_MS)
  return [
    ...orderIds.map((orderId, index) =>
      OrderEvents.OrderPlaced({
        orderId,
        customerId: `customer-${index}`,
        sku: `sku-${index % 100}`,
        quantity: 2,
        unitPriceCents: 1_999n,
        placedAt: at,
      }),
    ),
    ...orderIds.map((orderId) => OrderEvents.OrderQuantityChanged({ orderId, quantity: 3 })),
    ...orderIds.map((orderId) =>
      OrderEvents.OrderPaid({ orderId, amountCents: 5_997n, paidAt: at }),
    ),
  ]
}

function place(
  { type, data, key, topic }: NewEvent,
  at: { readonly partition: number; readonly offset: number; readonly position: number },
): AnyEvent {
  const { partition, offset, position } = at
  const id = randomUUID()
  const timestampMs = START_MS + position
  const headers = {
    [EVENT_HEADERS.id]: id,
    [EVENT_HEADERS.type]: type,
    [EVENT_HEADERS.commitLsn]: formatLsn(lsn(START_LSN + BigInt(position) * WAL_BYTES_PER_EVENT)),
    [EVENT_HEADERS.commitIndex]: '0',
    [EVENT_HEADERS.commitTimestampMs]: String(timestampMs),
  }
  const source = { topic, partition, offset }
  return { type, data, id, key, at: new Date(timestampMs), source, headers }
}

async function encodersOf(registryUrl: string): Promise<ReadonlyMap<string, AvroEncoder>> {
  const serde = createAvroSerde({ registry: createRegistryClient({ url: registryUrl }) })
  const encoders = new Map<string, AvroEncoder>()
  for (const [type, definition] of Object.entries(OrderEvents.definitions)) {
    const subject = `${OrderEvents.topic}-${definition.namespace}.${definition.name}`
    encoders.set(type, await serde.encoder(subject, { schema: JSON.stringify(definition) }))
  }
  return encoders
}

function toRecord(event: AnyEvent, encoders: ReadonlyMap<string, AvroEncoder>): OutgoingRecord {
  const encoder = encoders.get(event.type)
  if (encoder === undefined) throw new TypeError(`no schema for ${event.type}`)
  return {
    topic: event.source.topic,
    partition: event.source.partition,
    key: Buffer.from(event.key),
    value: encoder.encode(event.data),
    headers: Object.entries(event.headers).map(
      ([name, text]) => [name, Buffer.from(text)] as const,
    ),
    timestampMs: event.at.getTime(),
  }
}
