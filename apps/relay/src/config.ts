import { BROKER_SECURITY_CONFIG } from '@fairlead/broker-security'
import { REGISTRY_CREDENTIALS_CONFIG, defineConfig } from '@fairlead/service'
import { CONVERTER_CONFIG } from './converter-config.ts'

/** Debezium's names where it has the option; its values and defaults too, except where stated. */
export const RELAY_CONFIG = defineConfig({
  'database.url': {
    type: 'url',
    required: true,
    secret: true,
    protocols: ['postgres:', 'postgresql:'],
    doc: 'Source database; its user needs REPLICATION and owns, or may publish, the outbox table.',
  },
  'database.sslmode': {
    type: 'enum',
    values: ['disable', 'require', 'verify-ca', 'verify-full'],
    doc: 'TLS with the database: none; unchecked; the certificate is checked; and that it names the host, too. Default: verify-full, disable for a server on this machine. What database.url says goes for as much.',
  },
  'database.sslrootcert': {
    type: 'string',
    doc: "PEM file with whom to trust for the database's certificate. Default: whom Node trusts.",
  },
  'database.sslcert': {
    type: 'string',
    doc: "PEM file with the relay's own certificate for the database.",
  },
  'database.sslkey': { type: 'string', doc: 'PEM file with its key.' },
  'bootstrap.servers': {
    type: 'list',
    default: ['127.0.0.1:9092'],
    doc: 'Brokers, host:port, comma-separated.',
  },
  ...BROKER_SECURITY_CONFIG,
  'migrations.directory': {
    type: 'string',
    doc: 'Numbered SQL files applied at the start. Default: sql/migrations of this installation.',
  },

  'slot.name': {
    type: 'string',
    default: 'fairlead_relay',
    pattern: /^[a-z0-9_]{1,63}$/,
    doc: 'Replication slot. Two relays with the same slot: one works, the other stands by.',
  },
  'slot.failover': {
    type: 'boolean',
    default: false,
    doc: 'Makes the slot one that standbys keep in sync (PostgreSQL 17 and later).',
  },
  'publication.name': {
    type: 'string',
    default: 'fairlead_outbox',
    doc: 'Publication of the outbox tables; made for the tables of table.include.list when absent.',
  },
  'table.include.list': {
    type: 'list',
    default: ['outbox.events'],
    doc: 'Outbox tables, as schema.table.',
  },
  'message.prefix.include.list': {
    type: 'list',
    default: ['outbox'],
    doc: 'Prefixes of logical decoding messages that are events of an outbox, as outbox.emit writes them.',
  },
  'signal.enabled.channels': {
    type: 'list',
    default: ['source', 'log'],
    doc: 'Where orders are taken from: source, the table relay.signal, always; log, messages with prefix fairlead.signal, which every role may write: snapshots only.',
  },
  'capture.table.include.list': {
    type: 'list',
    default: [],
    doc: "Ordinary tables whose changes are published with Debezium's envelope: regular expressions for schema.table.",
  },
  'capture.publication.name': {
    type: 'string',
    default: 'fairlead_capture',
    doc: 'Publication of the captured tables; made when absent.',
  },
  'provide.transaction.metadata': {
    type: 'boolean',
    default: false,
    doc: 'Begin and end of each transaction in a topic of their own; the transaction of an event and its place there in the envelope of captured tables, and in the headers cdc.transaction.* of events of an outbox.',
  },
  'topic.transaction': {
    type: 'string',
    default: 'transaction',
    pattern: /^[a-zA-Z0-9._-]{1,249}$/,
    doc: 'Ends the name of that topic: <topic.prefix>.<topic.transaction>. The relay makes it with one partition, so that it is in commit order.',
  },
  'tombstones.on.delete': {
    type: 'boolean',
    default: true,
    doc: 'Null behind the delete of a captured row, so that compaction removes its key.',
  },
  'skipped.operations': {
    type: 'list',
    default: ['t'],
    doc: 'Changes of captured tables that are not published: c, u, d, t; none for all.',
  },
  'message.key.columns': {
    type: 'string',
    default: '',
    doc: 'Columns of the key of captured tables: schema.table:column,column;… with regular expressions for tables.',
  },
  'unavailable.value.handling': {
    type: 'enum',
    values: ['placeholder', 'omit'],
    default: 'placeholder',
    doc: 'A large value that an update did not change: unavailable.value.placeholder, or no field.',
  },
  'snapshot.mode': {
    type: 'enum',
    values: ['initial', 'always', 'when_needed', 'initial_only', 'no_data', 'never'],
    default: 'initial',
    doc: 'Rows that are older than the slot: initial publishes them, always those of captured tables at each start, too; when_needed also makes a lost slot good from the tables; initial_only reads the tables once, and no log; never is no_data.',
  },
  'incremental.snapshot.chunk.size': {
    type: 'int',
    default: 1_024,
    min: 1,
    max: 10_000,
    doc: 'Rows of a snapshot that are read at a time; fewer when they are large.',
  },
  'status.update.interval.ms': {
    type: 'int',
    default: 10_000,
    min: 100,
    max: 600_000,
    doc: 'Longest time between two status updates to Postgres, which are sent with progress anyway.',
  },
  'wal.sender.timeout.ms': {
    type: 'int',
    default: 10_000,
    min: 1_000,
    max: 600_000,
    doc: 'Postgres cuts a relay that is silent for this long and frees the slot for a standby.',
  },

  'heartbeat.interval.ms': {
    type: 'int',
    default: 0,
    min: 0,
    max: 86_400_000,
    doc: 'How often a message is written to the log, to see it come back; 0 for never. An idle slot needs none.',
  },
  'heartbeat.timeout.ms': {
    type: 'int',
    default: 30_000,
    min: 1_000,
    max: 86_400_000,
    doc: 'A heartbeat that has not come back for so long, while nothing else does, makes the relay not ready.',
  },
  'heartbeat.action.query': {
    type: 'string',
    default: '',
    doc: 'Statement that is run with each heartbeat.',
  },

  'wal.budget.bytes': {
    type: 'int',
    default: 0,
    min: 0,
    doc: 'WAL that the slot may keep back, as the disk of the database allows; 0 leaves it to max_slot_wal_keep_size.',
  },
  'wal.budget.warning.percent': {
    type: 'int',
    default: 50,
    min: 1,
    max: 100,
    doc: 'Of the limit, the nearer of wal.budget.bytes and max_slot_wal_keep_size: from here on it is a warning.',
  },
  'wal.budget.critical.percent': {
    type: 'int',
    default: 80,
    min: 1,
    max: 100,
    doc: 'Of the limit: from here on it is an error.',
  },
  'wal.budget.policy': {
    type: 'enum',
    values: ['warn', 'pause', 'drop'],
    default: 'warn',
    doc: 'Beside telling: pause holds snapshots back from critical on; drop gives the slot up once wal.budget.bytes is used.',
  },

  'table.field.event.id': { type: 'string', default: 'id', doc: 'Column with the unique id.' },
  'table.field.event.key': {
    type: 'string',
    default: 'aggregateid',
    doc: 'Column with the key of the record; events of one key keep their order.',
  },
  'table.field.event.payload': {
    type: 'string',
    default: 'payload',
    doc: 'Column with the value of the record: bytea as its bytes, any other type as its text.',
  },
  'table.field.event.timestamp': {
    type: 'string',
    default: 'created_at',
    doc: 'Column with the timestamp of the record; the commit time where it is absent or null.',
  },
  'table.field.event.type': {
    type: 'string',
    default: 'type',
    doc: 'Column with the type of the event, for the header eventType.',
  },
  'table.field.event.headers': {
    type: 'string',
    default: 'headers',
    doc: 'Column with a JSON object; each entry becomes a header.',
  },
  'table.field.event.schema.version': {
    type: 'string',
    default: '',
    doc: 'Column with the version of the schema of the value, an integer; used with a placement in the envelope.',
  },
  'table.fields.additional.placement': {
    type: 'list',
    default: [],
    doc: 'Columns that go into the record: column:header, column:envelope or column:partition, with :alias behind.',
  },
  'table.fields.additional.error.on.missing': {
    type: 'boolean',
    default: true,
    doc: 'A table without a column of table.fields.additional.placement has its rows parked; false leaves it out.',
  },
  'table.field.additional.missing': {
    type: 'enum',
    values: ['error', 'ignore'],
    doc: "Debezium's newer name of table.fields.additional.error.on.missing; goes before it.",
  },
  'table.op.invalid.behavior': {
    type: 'enum',
    values: ['warn', 'error', 'fatal'],
    default: 'warn',
    doc: 'An updated outbox row, if the publication publishes updates: logged and passed over, or the relay halts.',
  },
  'table.expand.json.payload': {
    type: 'boolean',
    default: false,
    doc: 'Structure instead of a string of JSON, for value.converter json; with raw the JSON is structure as it is.',
  },
  'table.json.payload.null.behavior': {
    type: 'enum',
    values: ['ignore', 'optional_bytes'],
    default: 'ignore',
    doc: 'A null in an expanded payload: left out, or null as optional bytes.',
  },
  'table.json.payload.empty.array.behavior': {
    type: 'enum',
    values: ['ignore', 'optional_string'],
    default: 'ignore',
    doc: 'An empty array in an expanded payload: left out, or an array of strings.',
  },
  'tracing.span.context.field': {
    type: 'string',
    default: 'tracingspancontext',
    doc: 'Column with a W3C traceparent, or the properties text that Debezium writes.',
  },
  'tracing.operation.name': {
    type: 'unsupported',
    doc: 'the relay passes trace contexts on and makes no spans of its own',
  },
  'tracing.with.context.field.only': {
    type: 'boolean',
    default: true,
    doc: 'Only an event with a trace context has one in its headers; false begins a trace for every other event.',
  },
  'route.by.field': {
    type: 'string',
    default: 'aggregatetype',
    doc: 'Column that names the topic.',
  },
  'route.topic.regex': {
    type: 'string',
    default: '(?<routedByValue>.*)',
    doc: 'Matched against the whole value of route.by.field; no match: that value is the topic.',
  },
  'route.topic.replacement': {
    type: 'string',
    default: 'outbox.event.${routedByValue}',
    doc: 'Topic, with ${group} or $1 for what route.topic.regex captured.',
  },
  'route.module': {
    type: 'string',
    doc: 'File of JavaScript or TypeScript that exports route, a function that has the last word on topic, key, headers, partition and timestamp of events of outboxes: defineRoute of @fairlead/cdc. Default: none.',
  },
  'route.topic.include.list': {
    type: 'list',
    default: [],
    doc: 'Topics that events of outboxes may go to, and that are made for them: names, or regular expressions for whole names; an event for another one is parked. Default: any topic.',
  },
  'route.tombstone.on.empty.payload': {
    type: 'boolean',
    default: false,
    doc: 'An empty payload becomes a tombstone. Without a converter a null one always is.',
  },
  'route.tenant.field': {
    type: 'string',
    default: '',
    doc: 'Column that names the tenant of an event; empty for none.',
  },
  'route.tenant.topic.replacement': {
    type: 'string',
    default: '${tenant}.${topic}',
    doc: 'Topic of an event of a tenant, with ${tenant} and ${topic}, which the options above give.',
  },
  'route.tenant.header': {
    type: 'string',
    default: '',
    doc: 'Header with the tenant; empty for none.',
  },
  'key.null.behavior': {
    type: 'enum',
    values: ['error', 'allow'],
    default: 'error',
    doc: 'An event without a key is parked, or published without one: its order is not kept then.',
  },
  ...CONVERTER_CONFIG,
  ...REGISTRY_CREDENTIALS_CONFIG,

  delivery: {
    type: 'enum',
    values: ['idempotent', 'transactional'],
    default: 'idempotent',
    doc: 'transactional: each batch is a transaction of Kafka, with its position; consumers set isolation.level to read_committed.',
  },
  'offset.storage.topic': {
    type: 'string',
    pattern: /^[a-zA-Z0-9._-]{1,249}$/,
    doc: 'Topic of the positions of transactional delivery, one for each slot. Default: relay.<slot.name>.positions.',
  },
  'topic.creation.default.partitions': {
    type: 'int',
    default: 4,
    min: -1,
    max: 10_000,
    doc: "Partitions of a topic that the relay creates; -1 takes the brokers' default.",
  },
  'topic.creation.default.replication.factor': {
    type: 'int',
    default: -1,
    min: -1,
    max: 32_767,
    doc: "Replicas of a topic that the relay creates; -1 takes the brokers' default.",
  },
  'topic.creation.groups': {
    type: 'list',
    default: [],
    doc: 'Groups of topics that the relay creates otherwise than by topic.creation.default, each with settings of its own; the first that matches a name has it.',
  },
  'topic.creation.': {
    type: 'family',
    members: '<group>.<setting>',
    doc: 'Of a group: include and exclude (lists of regular expressions for whole names), partitions, replication.factor, and any setting of a topic, such as cleanup.policy. What it leaves out of partitions and replicas is as in the group default.',
  },

  'max.batch.size': {
    type: 'int',
    default: 2_048,
    min: 1,
    max: 100_000,
    doc: 'Most events sent to the brokers at a time.',
  },
  'max.batch.bytes': {
    type: 'int',
    default: 1_048_576,
    min: 1_024,
    doc: 'Most bytes sent to the brokers at a time; one larger event goes alone.',
  },
  'max.batches.in.flight': {
    type: 'int',
    default: 1,
    min: 1,
    max: 5,
    doc: 'Batches that are on their way to the brokers at a time. More of them help where a broker takes its time to answer; beside it, smaller batches only cost processor time. With delivery=transactional it is one.',
  },
  'max.queue.size.in.bytes': {
    type: 'int',
    default: 4_194_304,
    min: 65_536,
    doc: 'Bytes of events in memory above which the relay stops reading from Postgres.',
  },
  'producer.max.request.size': {
    type: 'int',
    default: 1_048_576,
    min: 1_024,
    doc: 'Largest record that is sent; a larger one is parked. The topic may allow less.',
  },
  'producer.delivery.timeout.ms': {
    type: 'int',
    default: 30_000,
    min: 1_000,
    doc: 'How long a record is retried before the relay starts over with a new producer and looks at its topic anew.',
  },
  'errors.deadletterqueue.topic.name': {
    type: 'string',
    pattern: /^[a-zA-Z0-9._-]{1,249}$/,
    doc: 'Topic that gets a copy of every parked event, with the headers of Kafka Connect. Default: none.',
  },
  'parked.keys.max': {
    type: 'int',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: 'With more parked aggregates than this the relay stops: the fault is not in the events.',
  },
})
