/** Settings of a connector that the relay has under the same name and with the same values. */
export const CARRIED: ReadonlySet<string> = new Set([
  'slot.failover',
  'tombstones.on.delete',
  'skipped.operations',
  'decimal.handling.mode',
  'time.precision.mode',
  'binary.handling.mode',
  'interval.handling.mode',
  'hstore.handling.mode',
  'money.fraction.digits',
  'unavailable.value.placeholder',
  'status.update.interval.ms',
  'incremental.snapshot.chunk.size',
  'message.key.columns',
  'heartbeat.interval.ms',
  'provide.transaction.metadata',
  'topic.transaction',
])

const TUNING = 'the relay sizes its batches by what waits, within max.queue.size.in.bytes'
const WORKER = 'there is no Kafka Connect worker'
const OFFSETS = 'the relay keeps its position in the slot and in the topics themselves'

/** Settings without a need, with the reason. */
export const NEEDLESS: Readonly<Record<string, string>> = {
  'tasks.max': 'one process reads a slot; a second one stands by',
  'max.batch.size': TUNING,
  'max.queue.size': TUNING,
  'max.queue.size.in.bytes': TUNING,
  'poll.interval.ms': TUNING,
  'topic.heartbeat.prefix': 'heartbeats of the relay go through the log alone, to no topic',
  'publication.autocreate.mode': 'the relay makes the publication for the tables it is told',
  'xmin.fetch.interval.ms': 'source.xmin is null',
  'slot.max.retries': 'the relay tries again for as long as it takes',
  'slot.retry.delay.ms': 'the relay tries again for as long as it takes',
  'retriable.restart.connector.wait.ms': 'the relay tries again for as long as it takes',
  'exactly.once.support':
    'what a topic holds already is recognised by the positions in its headers',
  'lsn.flush.mode': OFFSETS,
  'flush.lsn.source': OFFSETS,
  'lsn.flush.timeout.ms': OFFSETS,
  'lsn.flush.timeout.action': OFFSETS,
  'include.schema.changes': 'Postgres has no schema change events',
  'schema.refresh.mode': 'the log announces each definition before its rows',
  'database.tcpKeepAlive': 'always on',
  'errors.tolerance': 'an event that cannot be published is parked with its reason',
  'errors.max.retries': 'the relay tries again for as long as it takes',
}

export const NEEDLESS_FAMILIES: Readonly<Record<string, string>> = {
  'offset.': OFFSETS,
  'offset.storage': OFFSETS,
  'config.storage': WORKER,
  'status.storage': WORKER,
  'plugin.path': WORKER,
  'group.id': WORKER,
  'rest.': WORKER,
  listeners: WORKER,
  'quarkus.': 'see the http keys of the relay',
  'errors.log': 'parked events are logged',
  'errors.deadletterqueue.': 'an event that cannot be published is parked with its reason',
  'sink.type': 'the relay writes to Kafka',
  'sink.kafka.producer.key.serializer': 'the converters give bytes',
  'sink.kafka.producer.value.serializer': 'the converters give bytes',
}

/** Settings that change records or operation, and have nothing like them here. */
export const MISSING: Readonly<Record<string, string>> = {
  'table.exclude.list': 'name the tables that are meant',
  'schema.exclude.list': 'name the tables that are meant',
  'column.include.list':
    'a publication can name columns: alter publication … set table … (columns)',
  'column.exclude.list':
    'a publication can name columns: alter publication … set table … (columns)',
  'transaction.metadata.factory': 'ids of transactions are xid:LSN',
  'excluded.transaction.metadata.components': 'id and orders are always told',
  'read.only':
    'snapshots write watermarks to the log: the relay reads a server that can be written to',
  'slot.drop.on.stop': 'the relay never drops a slot',
  'slot.stream.params': 'the relay asks pgoutput for nothing more',
  'include.unknown.datatypes': 'a type without a mapping is its text',
  'topic.naming.strategy': 'topics of captured tables are <topic.prefix>.<schema>.<table>',
  'topic.delimiter': 'topics of captured tables are <topic.prefix>.<schema>.<table>',
  'schema.name.adjustment.mode': 'names of schemas are not adjusted',
  'field.name.adjustment.mode': 'names of fields are not adjusted',
  'skip.messages.without.change': 'every update is published',
  'event.processing.failure.handling.mode': 'an event that cannot be published is parked',
  'replica.identity.autoset.values': 'set the replica identity of the tables by hand',
  'producer.override.compression.type': 'the relay does not compress',
}

export const MISSING_FAMILIES: Readonly<Record<string, string>> = {
  'column.mask': 'columns are published as they are',
  'column.truncate': 'columns are published as they are',
  'column.propagate': 'schemas have no parameters of the source',
  'datatype.propagate': 'schemas have no parameters of the source',
  'signal.': "the relay's own HTTP API and commands take the place of signals",
  'notification.': 'states are in /status, /readyz and the metrics',
  'snapshot.': 'see snapshot.mode of the relay',
  'incremental.snapshot.': 'see snapshot.mode of the relay',
  predicates: 'the relay has no predicates',
  'message.prefix.': 'see message.prefix.include.list of the relay',
  'post.processors': 'columns are published as they are',
  converters: 'columns have the types that docs/relay.md lists',
  'producer.': 'see the producer keys of the relay',
  'sink.kafka.producer.': 'see the producer keys of the relay',
  'database.ssl':
    'the relay reads PEM: see database.sslrootcert, database.sslcert, database.sslkey',
}
