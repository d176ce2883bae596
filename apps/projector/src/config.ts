import { BROKER_SECURITY_CONFIG, brokerSecurityProblems } from '@fairlead/broker-security'
import {
  type ConfigOf,
  REGISTRY_CREDENTIALS_CONFIG,
  defineConfig,
  registryProblems,
} from '@fairlead/service'

const GROUP_ID_DEFAULT = 'projector'

export const PROJECTOR_CONFIG = defineConfig({
  'database.url': {
    type: 'url',
    required: true,
    secret: true,
    protocols: ['postgres:', 'postgresql:'],
    doc: 'Database of the read models; checkpoints and dead letters are in it too. TLS by its sslmode, sslrootcert, sslcert and sslkey; by itself verify-full, and none with a server on this machine.',
  },
  'database.connections.max': {
    type: 'int',
    default: 10,
    min: 1,
    max: 1_000,
    doc: 'Most connections to the database for what follows the log; a partition that applies a batch takes one.',
  },
  'database.operator.connections.max': {
    type: 'int',
    default: 3,
    min: 1,
    max: 100,
    doc: 'Most connections beside these for what operators ask for: the HTTP API, metrics, and the states of versions. It never waits for partitions.',
  },
  'bootstrap.servers': {
    type: 'list',
    default: ['localhost:9092'],
    doc: 'host:port of some brokers.',
  },
  ...BROKER_SECURITY_CONFIG,
  'schema.registry.url': {
    type: 'list',
    default: ['http://localhost:8081'],
    doc: 'Schema registries, one after the other, for the schemas that events were written with.',
  },
  ...REGISTRY_CREDENTIALS_CONFIG,
  'group.id': {
    type: 'string',
    default: GROUP_ID_DEFAULT,
    doc: 'Prefix of the consumer groups; each version of a projection has one, <group.id>-<name>-v<version>.',
  },
  'group.instance.id': {
    type: 'string',
    doc: 'Static membership: a restart within the session timeout causes no rebalance. Unique per process that works, see standby.enabled.',
  },
  'standby.enabled': {
    type: 'boolean',
    default: false,
    doc: 'Of the processes with one group.instance.id, one works; the others stand by, and the first of them takes over as soon as it is gone. Needs sessions with the database, no pooler of transactions.',
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
    doc: 'Less than session.timeout.ms; a third of it or less, so that one that is lost costs no partition.',
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
    doc: 'Most records that one transaction applies; four times as many while a partition is ten batches behind, fewer where they take longer than 2 s. A definition may say less, with batch.max.',
  },
  'fetch.bytes.max': {
    type: 'int',
    default: 1_048_576,
    min: 1,
    max: 67_108_864,
    doc: 'Soft limit of what one fetch reads, four times as much while a partition is far behind; a partition holds two fetches in memory.',
  },
  'row.cache.bytes.max': {
    type: 'int',
    default: 67_108_864,
    min: 0,
    max: 68_719_476_736,
    doc: 'About what rows that recent batches of folds have written may take in memory, over all partitions: those that come again are not read. A partition whose rows do not come again keeps none. 0: none are kept.',
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
  'retire.after.ms': {
    type: 'int',
    default: 604_800_000,
    min: -1,
    max: 3_155_760_000_000,
    doc: 'How long after a promotion the version that was live before is kept, and follows the log, for a rollback; then its tables are dropped, as by `fairlead projection retire`. -1: until somebody retires it.',
  },
  'parked.keys.per.minute.max': {
    type: 'int',
    default: 20,
    min: 1,
    max: 100_000,
    doc: 'A projection that parks more keys in a minute for one cause, and over 5 % of those it sees, pauses.',
  },
  'parked.key.retries.max': {
    type: 'int',
    default: 10,
    min: 0,
    max: 1_000,
    doc: 'How often a parked key is tried again by itself, where its table or its handler refused the event. 0: only when somebody asks for it.',
  },
  'parked.key.retry.backoff.ms': {
    type: 'int',
    default: 60_000,
    min: 1,
    max: 86_400_000,
    doc: 'How long after it was parked; twice as long each time. A random half is taken off.',
  },
  'parked.key.retry.backoff.max.ms': {
    type: 'int',
    default: 3_600_000,
    min: 1,
    max: 604_800_000,
    doc: 'The longest time between two tries of a parked key.',
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
  'tenants.include': {
    type: 'list',
    default: [],
    doc: 'Tenants whose events are taken in, all others passed over: for a database of their own. Needs tenant.header, and a group.id of its own. Empty: all.',
  },
  'tenants.unknown': {
    type: 'enum',
    values: ['create', 'park'],
    default: 'create',
    doc: 'What becomes of the first event of a tenant whose tables are kept apart. create: they are made; park: its key is parked until `fairlead projection add-tenant` and a replay.',
  },
  'tenants.max': {
    type: 'int',
    default: 100,
    min: 1,
    max: 100_000,
    doc: 'So many tenants have their tables made by their first event; keys of further ones are parked, as with tenants.unknown=park.',
  },
  'errors.deadletterqueue.topic.name': {
    type: 'string',
    doc: 'Topic that gets a copy of each dead letter, through the outbox of this database: outbox.event.<name>, where its relay publishes.',
  },
})

/** What is wrong with values that are right one by one. */
export function projectorConfigProblems(
  config: ConfigOf<typeof PROJECTOR_CONFIG>,
): readonly string[] {
  return [
    ...brokerSecurityProblems(config),
    ...registryProblems(config, config['schema.registry.url']),
    ...groupProblems(config),
    ...standbyProblems(config),
    ...tenantProblems(config),
  ]
}

/** As Kafka's consumer has it: a member that is quiet for as long would lose its partitions again and again. */
function groupProblems(config: ConfigOf<typeof PROJECTOR_CONFIG>): readonly string[] {
  const intervalMs = config['heartbeat.interval.ms']
  const sessionMs = config['session.timeout.ms']
  if (intervalMs < sessionMs) return []
  return [
    `heartbeat.interval.ms: ${intervalMs} is not less than session.timeout.ms, which is ${sessionMs}`,
  ]
}

function standbyProblems(config: ConfigOf<typeof PROJECTOR_CONFIG>): readonly string[] {
  if (!config['standby.enabled'] || config['group.instance.id'] !== undefined) return []
  return [
    'standby.enabled: set group.instance.id, the name that a process and its standby have in common',
  ]
}

function tenantProblems(config: ConfigOf<typeof PROJECTOR_CONFIG>): readonly string[] {
  const [tenant] = config['tenants.include']
  if (tenant === undefined) return []
  const problems: string[] = []
  if (config['tenant.header'] === undefined) {
    problems.push(
      'tenants.include: set tenant.header, the header that names the tenant of an event',
    )
  }
  if (config['group.id'] === GROUP_ID_DEFAULT) {
    problems.push(
      `tenants.include: give group.id a value of its own, such as ${GROUP_ID_DEFAULT}-${tenant}: projectors of one group share the partitions, and each would lack the events of the others'`,
    )
  }
  return problems
}
