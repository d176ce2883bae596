import { BROKER_SECURITY_CONFIG } from '@fairlead/broker-security'
import { defineConfig } from '@fairlead/service'

export const PROJECTOR_CONFIG = defineConfig({
  'database.url': {
    type: 'url',
    required: true,
    secret: true,
    protocols: ['postgres:', 'postgresql:'],
    doc: 'Database of the read models; checkpoints and dead letters are in it too.',
  },
  'database.connections.max': {
    type: 'int',
    default: 10,
    min: 1,
    max: 1_000,
    doc: 'Most connections to the database; a partition that applies a batch takes one.',
  },
  'bootstrap.servers': {
    type: 'list',
    default: ['localhost:9092'],
    doc: 'host:port of some brokers.',
  },
  ...BROKER_SECURITY_CONFIG,
  'schema.registry.url': {
    type: 'url',
    default: 'http://localhost:8081',
    protocols: ['http:', 'https:'],
    doc: 'Schema registry, for the schemas that events were written with.',
  },
  'group.id': {
    type: 'string',
    default: 'projector',
    doc: 'Prefix of the consumer groups; each version of a projection has one, <group.id>-<name>-v<version>.',
  },
  'group.instance.id': {
    type: 'string',
    doc: 'Static membership: a restart within the session timeout causes no rebalance. Unique per process.',
  },
  'session.timeout.ms': {
    type: 'int',
    default: 10_000,
    min: 1_000,
    max: 300_000,
    doc: 'A process that is silent for so long loses its partitions. A mistake costs one batch.',
  },
  'heartbeat.interval.ms': {
    type: 'int',
    default: 3_000,
    min: 100,
    max: 100_000,
    doc: 'At most a third of session.timeout.ms.',
  },
  projections: {
    type: 'list',
    required: true,
    doc: 'Modules that export a const `projections`, an array of definitions; paths are relative to the working directory.',
  },
  'batch.records.max': {
    type: 'int',
    default: 2_000,
    min: 1,
    max: 100_000,
    doc: 'Most records that one transaction applies; four times as many while a partition is ten batches behind.',
  },
  'fetch.bytes.max': {
    type: 'int',
    default: 1_048_576,
    min: 1,
    max: 67_108_864,
    doc: 'Soft limit of what one fetch reads, four times as much while a partition is far behind; a partition holds two fetches in memory.',
  },
  'rebuild.memory.bytes.max': {
    type: 'int',
    default: 268_435_456,
    min: 1_048_576,
    max: 68_719_476_736,
    doc: 'About what the rows of a rebuild may take in memory; more of them are written in between.',
  },
  'rebuild.threads.max': {
    type: 'int',
    default: 4,
    min: 0,
    max: 64,
    doc: 'Threads that fold a long history in a rebuild, each some partitions; no more than there are processors. Each imports the modules of projections. 0: none.',
  },
  'parked.keys.per.minute.max': {
    type: 'int',
    default: 20,
    min: 1,
    max: 100_000,
    doc: 'A projection that parks more keys in a minute for one cause, and over 5 % of those it sees, pauses.',
  },
  'event.time.ahead.max.ms': {
    type: 'int',
    default: 86_400_000,
    min: 1_000,
    max: 3_155_760_000_000,
    doc: 'An event whose timestamp is further ahead of the clock is parked: no clock of a producer is that wrong.',
  },
  'tenant.header': {
    type: 'string',
    doc: 'Header that names the tenant of an event, as route.tenant.header of the relay writes it. Keys are then parked per tenant.',
  },
  'errors.deadletterqueue.topic.name': {
    type: 'string',
    doc: 'Topic that gets a copy of each dead letter, through the outbox of this database: outbox.event.<name>, where its relay publishes.',
  },
})
