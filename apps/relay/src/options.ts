import { fileURLToPath } from 'node:url'
import { type OutboxFields, requiredColumns } from '@fairlead/cdc'
import type { ConfigOf } from '@fairlead/service'
import type { RELAY_CONFIG } from './config.ts'
import type { SourceOptions } from './source/source-options.ts'

/** What a relay is told, grouped by the part that it concerns. */
export type RelayOptions = {
  readonly databaseUrl: string
  readonly migrationsDirectory: string
  readonly source: SourceOptions
  readonly walSenderTimeoutMs: number
  readonly statusIntervalMs: number
  readonly parkedKeysMax: number
  readonly routing: {
    readonly fields: OutboxFields
    readonly topicRegex: RegExp
    readonly topicReplacement: string
    readonly tombstoneOnEmptyPayload: boolean
  }
  readonly sink: {
    readonly bootstrapServers: readonly string[]
    readonly clientId: string
    readonly partitions: number
    readonly replicationFactor: number
    readonly batchRecordsMax: number
    readonly batchBytesMax: number
    readonly queueBytesMax: number
    readonly recordBytesMax: number
    readonly deliveryTimeoutMs: number
  }
}

const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))

export function relayOptions(config: ConfigOf<typeof RELAY_CONFIG>): RelayOptions {
  const fields: OutboxFields = {
    id: config['table.field.event.id'],
    key: config['table.field.event.key'],
    route: config['route.by.field'],
    payload: config['table.field.event.payload'],
    type: config['table.field.event.type'],
    timestamp: config['table.field.event.timestamp'],
    headers: config['table.field.event.headers'],
    trace: config['tracing.span.context.field'],
  }
  return {
    databaseUrl: config['database.url'],
    migrationsDirectory: config['migrations.directory'] ?? MIGRATIONS,
    source: {
      slotName: config['slot.name'],
      failover: config['slot.failover'],
      publicationName: config['publication.name'],
      tables: config['table.include.list'],
      databaseUrl: config['database.url'],
      columns: {
        required: requiredColumns(fields),
        id: fields.id,
        timestamp: fields.timestamp,
      },
      snapshotMode: config['snapshot.mode'],
    },
    walSenderTimeoutMs: config['wal.sender.timeout.ms'],
    statusIntervalMs: config['status.update.interval.ms'],
    parkedKeysMax: config['parked.keys.max'],
    routing: {
      fields,
      topicRegex: new RegExp(config['route.topic.regex']),
      topicReplacement: config['route.topic.replacement'],
      tombstoneOnEmptyPayload: config['route.tombstone.on.empty.payload'],
    },
    sink: {
      bootstrapServers: config['bootstrap.servers'],
      clientId: `fairlead-relay-${config['slot.name']}`,
      partitions: config['topic.creation.default.partitions'],
      replicationFactor: config['topic.creation.default.replication.factor'],
      batchRecordsMax: config['max.batch.size'],
      batchBytesMax: config['max.batch.bytes'],
      queueBytesMax: config['max.queue.size.in.bytes'],
      recordBytesMax: config['producer.max.request.size'],
      deliveryTimeoutMs: config['producer.delivery.timeout.ms'],
    },
  }
}
