import { Kafka, logLevel } from 'kafkajs'
import avsc from 'avsc'
import pg from 'pg'
import type { Endpoints } from './platform.ts'
import { waitFor } from './wait-for.ts'

/**
 * What must be true once the traffic has stopped and the pipeline is still, found out without our own
 * code: the topic is read with kafkajs, payloads are decoded with avsc and the registry's REST API, and
 * the read model is folded here, one event after the other.
 */

const TOPIC = 'outbox.event.order'
const MAGIC = 0
const PREFIX_BYTES = 5

export type TopicEvent = {
  readonly id: string
  readonly type: string
  readonly key: string
  readonly partition: number
  readonly offset: string
  readonly data: Readonly<Record<string, unknown>>
}

type OutboxRow = {
  readonly id: string
  readonly type: string
  readonly aggregateid: string
}

/** The rows that were committed, per aggregate in the order of their transactions. */
export async function committedEvents(endpoints: Endpoints): Promise<readonly OutboxRow[]> {
  return query<OutboxRow>(
    endpoints,
    `select id, type, aggregateid from outbox.events where aggregatetype = 'order' order by created_at`,
  )
}

/** Every event on the topic, in the order of each partition. */
export async function topicEvents(endpoints: Endpoints): Promise<readonly TopicEvent[]> {
  const kafka = new Kafka({
    clientId: 'oracle',
    brokers: [endpoints.kafka],
    logLevel: logLevel.ERROR,
  })
  const admin = kafka.admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(TOPIC)
  await admin.disconnect()

  const expected = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
  const decode = avroDecoder(endpoints)
  const events: TopicEvent[] = []
  const consumer = kafka.consumer({
    groupId: `oracle-${process.pid}-${events.length}-${Date.now()}`,
  })
  await consumer.connect()
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      events.push({
        id: message.headers?.['id']?.toString() ?? '',
        type: message.headers?.['eventType']?.toString() ?? '',
        key: message.key?.toString() ?? '',
        partition,
        offset: message.offset,
        data: await decode(message.value),
      })
    },
  })
  try {
    await waitFor(`${expected} events on ${TOPIC}`, 60_000, () => events.length >= expected)
  } finally {
    await consumer.disconnect()
  }
  return events
}

export type Row = { readonly quantity: number; readonly status: string; readonly total: bigint }

export type Fold = {
  readonly rows: ReadonlyMap<string, Row>
  /** Events that must be set aside: `failed` ones first of their key, then everything behind them. */
  readonly deadLetters: ReadonlyMap<string, 'failed' | 'blocked'>
}

/** Where an event stands on the topic. */
function coordinates({ partition, offset }: TopicEvent): string {
  return `${partition}@${offset}`
}

/** What the read model must be, one event at a time. */
export function foldTopic(events: readonly TopicEvent[]): Fold {
  const rows = new Map<string, Row>()
  const deadLetters = new Map<string, 'failed' | 'blocked'>()
  const parked = new Set<string>()
  for (const event of events) {
    const quantity = Number(event.data['quantity'] ?? 1)
    if (parked.has(event.key)) {
      deadLetters.set(coordinates(event), 'blocked')
    } else if (quantity <= 0) {
      parked.add(event.key)
      deadLetters.set(coordinates(event), 'failed')
    } else {
      rows.set(event.key, evolve(rows.get(event.key), event, quantity))
    }
  }
  return { rows, deadLetters }
}

function evolve(row: Row | undefined, event: TopicEvent, quantity: number): Row {
  switch (event.type) {
    case 'OrderPlaced':
      return {
        quantity,
        status: 'placed',
        total: BigInt(Number(event.data['unitPriceCents'])) * BigInt(quantity),
      }
    case 'OrderQuantityChanged': {
      if (row === undefined) throw new Error(`${event.key} changed before it was placed`)
      return { ...row, quantity, total: (row.total / BigInt(row.quantity)) * BigInt(quantity) }
    }
    case 'OrderPaid':
      if (row === undefined) throw new Error(`${event.key} was paid before it was placed`)
      return { ...row, status: 'paid' }
    default:
      throw new Error(`unknown event type ${event.type}`)
  }
}

export async function readModel(endpoints: Endpoints): Promise<ReadonlyMap<string, Row>> {
  const rows = await query<{ order_id: string; quantity: number; status: string; total: string }>(
    endpoints,
    'select order_id, quantity, status, total_cents as total from public.order_summary',
  )
  return new Map(
    rows.map(({ order_id, quantity, status, total }) => [
      order_id,
      { quantity, status, total: BigInt(total) },
    ]),
  )
}

export type StoredLetter = {
  /** See `coordinates`. */
  readonly at: string
  readonly kind: 'failed' | 'blocked'
  readonly reason: string | null
}

export async function deadLetters(endpoints: Endpoints): Promise<readonly StoredLetter[]> {
  return query<StoredLetter>(
    endpoints,
    `select part || '@' || log_offset as at, letter.kind, letter.error_message as reason
     from evt.dead_letter letter join evt.projection projection on projection.id = projection_id
     where projection.name = 'order_summary'`,
  )
}

/** True when every projection has passed the end of its topic. */
export async function isCaughtUp(endpoints: Endpoints, eventCount: number): Promise<boolean> {
  const rows = await query<{ applied: string }>(
    endpoints,
    'select sum(next_offset) as applied from evt.checkpoint group by projection_id, version',
  ).catch(() => [])
  return rows.length > 0 && rows.every(({ applied }) => Number(applied) >= eventCount)
}

export async function query<Row extends object>(
  endpoints: Endpoints,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: endpoints.postgres })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Row>(sql, [...values])).rows
  } finally {
    await client.end()
  }
}

/** Decodes Avro behind Confluent's prefix, with avsc and the registry's REST API. */
export function avroDecoder(endpoints: Pick<Endpoints, 'registry'>) {
  const types = new Map<number, avsc.Type>()
  const typeOf = async (schemaId: number): Promise<avsc.Type> => {
    const known = types.get(schemaId)
    if (known !== undefined) return known
    const response = await fetch(`${endpoints.registry}/schemas/ids/${schemaId}`)
    if (!response.ok) throw new Error(`schema ${schemaId}: HTTP ${response.status}`)
    const { schema } = (await response.json()) as { schema: string }
    const type = avsc.Type.forSchema(JSON.parse(schema) as avsc.Schema)
    types.set(schemaId, type)
    return type
  }
  return async (value: Buffer | null): Promise<Readonly<Record<string, unknown>>> => {
    if (value === null || value[0] !== MAGIC) throw new Error('a value without the magic byte')
    const type = await typeOf(value.readInt32BE(1))
    return type.fromBuffer(value.subarray(PREFIX_BYTES)) as Record<string, unknown>
  }
}
