import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { errorMessage } from '@fairlead/base'
import { brokerSecurity, brokerSecurityProblems } from '@fairlead/broker-security'
import {
  type OutboxRouterOptions,
  type TableCaptureOptions,
  type WalBudgetOptions,
  allowedTopic,
  parsePlacements,
  requiredColumns,
  topicNameFault,
} from '@fairlead/cdc'
import type { ClientSecurity } from '@fairlead/kafka'
import { withTls } from '@fairlead/postgres'
import { type ConfigOf, registryProblems } from '@fairlead/service'
import type { RELAY_CONFIG } from './config.ts'
import { type TopicCreation, parseTopicCreation } from './sink/topic-creation.ts'
import {
  type RegistryOptions,
  converters,
  registryOptions,
  valueOptions,
} from './converter-options.ts'
import { loadRoute } from './route/load-route.ts'
import { databaseTls, databaseTlsProblems } from './source/database-security.ts'
import type { SourceOptions } from './source/source-options.ts'
import type { HeartbeatOptions } from './watch/heartbeats.ts'
import type { WalPolicy } from './watch/slot-watch.ts'

type RelayConfig = ConfigOf<typeof RELAY_CONFIG>

/** What a relay is told, grouped by the part that it concerns. */
export type RelayOptions = {
  readonly databaseUrl: string
  readonly migrationsDirectory: string
  readonly source: SourceOptions
  readonly walSenderTimeoutMs: number
  readonly statusIntervalMs: number
  /** Undefined for none. */
  readonly heartbeat: HeartbeatOptions | undefined
  readonly parkedKeysMax: number
  readonly snapshotChunkRowsMax: number
  readonly wal: { readonly budget: WalBudgetOptions; readonly policy: WalPolicy }
  /** Orders to the relay may stand in the log. */
  readonly areLogSignalsTaken: boolean
  readonly routing: RoutingOptions
  /** File of the function that routes events of outboxes; undefined for none. */
  readonly routeModule: string | undefined
  readonly capture: CaptureOptions | undefined
  /** Topic of the begin and end of transactions; undefined when they are not told. */
  readonly transactionTopic: string | undefined
  readonly registry: RegistryOptions
  readonly sink: {
    readonly bootstrapServers: readonly string[]
    readonly clientId: string
    /** Undefined for plain text, as nobody. */
    readonly security: ClientSecurity | undefined
    readonly topicCreation: TopicCreation
    readonly batchRecordsMax: number
    readonly batchBytesMax: number
    readonly queueBytesMax: number
    readonly batchesInFlightMax: number
    readonly recordBytesMax: number
    readonly deliveryTimeoutMs: number
    readonly deadLetterTopic: string | undefined
    /** Undefined without transactions. */
    readonly transactional:
      | { readonly transactionalId: string; readonly positionTopic: string }
      | undefined
  }
}

/** What the configuration says of captured tables. */
type CaptureOptions = Omit<TableCaptureOptions, 'exceptTables' | 'source' | 'catalog' | 'wallNowMs'>

/** What the configuration says of the router; the rest is known when a session begins. */
type RoutingOptions = Omit<OutboxRouterOptions, 'tables' | 'source' | 'catalog'>

const MIGRATIONS = fileURLToPath(new URL('../../../sql/migrations', import.meta.url))

/** @throws {Error} for a value that `checkRelayConfig` complains of. */
export function relayOptions(config: RelayConfig): RelayOptions {
  const routing = routingOptions(config)
  const { fields } = routing
  const databaseUrl = withTls(config['database.url'], databaseTls(config))
  return {
    databaseUrl,
    migrationsDirectory: config['migrations.directory'] ?? MIGRATIONS,
    source: {
      slotName: config['slot.name'],
      failover: config['slot.failover'],
      publicationName: config['publication.name'],
      tables: config['table.include.list'],
      databaseUrl,
      columns: {
        required: requiredColumns(fields),
        id: fields.id,
        timestamp: fields.timestamp,
      },
      snapshotMode: config['snapshot.mode'] === 'never' ? 'no_data' : config['snapshot.mode'],
      capture:
        config['capture.table.include.list'].length === 0
          ? undefined
          : {
              publicationName: config['capture.publication.name'],
              tables: captureTables(config),
              except: config['table.include.list'],
            },
    },
    walSenderTimeoutMs: config['wal.sender.timeout.ms'],
    statusIntervalMs: config['status.update.interval.ms'],
    heartbeat: heartbeatOptions(config),
    parkedKeysMax: config['parked.keys.max'],
    snapshotChunkRowsMax: config['incremental.snapshot.chunk.size'],
    wal: {
      budget: {
        budgetBytes: config['wal.budget.bytes'] === 0 ? undefined : config['wal.budget.bytes'],
        warningPercent: config['wal.budget.warning.percent'],
        criticalPercent: config['wal.budget.critical.percent'],
      },
      policy: config['wal.budget.policy'],
    },
    areLogSignalsTaken: config['signal.enabled.channels'].includes('log'),
    routing,
    routeModule: config['route.module'],
    capture: captureOptions(config, routing),
    transactionTopic: config['provide.transaction.metadata']
      ? transactionTopicOf(config)
      : undefined,
    registry: registryOptions(config),
    sink: {
      bootstrapServers: config['bootstrap.servers'],
      clientId: `fairlead-relay-${config['slot.name']}`,
      security: brokerSecurity(config),
      topicCreation: parseTopicCreation(config),
      batchRecordsMax: config['max.batch.size'],
      batchBytesMax: config['max.batch.bytes'],
      queueBytesMax: config['max.queue.size.in.bytes'],
      // A producer has one transaction at a time.
      batchesInFlightMax: config.delivery === 'transactional' ? 1 : config['max.batches.in.flight'],
      recordBytesMax: config['producer.max.request.size'],
      deliveryTimeoutMs: config['producer.delivery.timeout.ms'],
      deadLetterTopic: config['errors.deadletterqueue.topic.name'],
      transactional: transactionalOptions(config),
    },
  }
}

function heartbeatOptions(config: RelayConfig): RelayOptions['heartbeat'] {
  const intervalMs = config['heartbeat.interval.ms']
  if (intervalMs === 0) return undefined
  return {
    intervalMs,
    timeoutMs: config['heartbeat.timeout.ms'],
    actionQuery: config['heartbeat.action.query'],
  }
}

function transactionalOptions(config: RelayConfig): RelayOptions['sink']['transactional'] {
  if (config.delivery !== 'transactional') return undefined
  const transactionalId = `relay.${config['slot.name']}`
  return {
    transactionalId,
    positionTopic: config['offset.storage.topic'] ?? `${transactionalId}.positions`,
  }
}

const SIGNAL_CHANNELS: readonly string[] = ['source', 'log']

/** What no single key can say; one line per problem: key, rule and next step. */
export function checkRelayConfig(config: RelayConfig): readonly string[] {
  try {
    const routing = routingOptions(config)
    captureOptions(config, routing)
    parseTopicCreation(config)
    const { placements, converters: chosen } = routing
    return [
      ...sourceProblems(config),
      ...databaseTlsProblems(config),
      ...walProblems(config),
      ...heartbeatProblems(config),
      ...brokerSecurityProblems(config),
      ...channelProblems(config['signal.enabled.channels']),
      ...envelopeProblems(placements, chosen.value.kind),
      ...transactionProblems(config, chosen),
      ...converterRegistryProblems(config, [chosen.key.kind, chosen.value.kind]),
    ]
  } catch (error) {
    return [errorMessage(error)]
  }
}

/** A slot reads at least one publication; messages alone have none. */
function sourceProblems(config: RelayConfig): readonly string[] {
  const lists = [config['table.include.list'], config['capture.table.include.list']]
  return lists.some((list) => list.length > 0)
    ? []
    : ['table.include.list and capture.table.include.list are empty: name a table']
}

function walProblems(config: RelayConfig): readonly string[] {
  const problems: string[] = []
  if (config['wal.budget.warning.percent'] > config['wal.budget.critical.percent']) {
    problems.push(
      'wal.budget.warning.percent is above wal.budget.critical.percent: a warning comes before that',
    )
  }
  if (config['wal.budget.policy'] === 'drop' && config['wal.budget.bytes'] === 0) {
    problems.push(
      'wal.budget.policy is drop and wal.budget.bytes is 0: say how much WAL the slot may keep back',
    )
  }
  return problems
}

function heartbeatProblems(config: RelayConfig): readonly string[] {
  if (config['heartbeat.action.query'] === '' || config['heartbeat.interval.ms'] > 0) return []
  return [
    'heartbeat.action.query is set and heartbeat.interval.ms is 0: say how often, or leave it out',
  ]
}

function channelProblems(channels: readonly string[]): readonly string[] {
  const unknown = channels.filter((name) => !SIGNAL_CHANNELS.includes(name))
  return [
    ...unknown.map((name) => `signal.enabled.channels: ${name} is none of source, log: remove it`),
    ...(channels.includes('source')
      ? []
      : ['signal.enabled.channels: source cannot be left out, the commands use it: add it']),
  ]
}

function envelopeProblems(
  placements: RoutingOptions['placements'],
  valueKind: string,
): readonly string[] {
  const hasEnvelope = placements.some(({ placement }) => placement === 'envelope')
  if (!hasEnvelope || !['raw', 'bytes'].includes(valueKind)) return []
  return [
    `table.fields.additional.placement has an envelope, which value.converter ${valueKind} cannot write: set value.converter to json`,
  ]
}

function transactionTopicOf(config: RelayConfig): string {
  return `${config['topic.prefix']}.${config['topic.transaction']}`
}

/** Every transaction would be parked. */
function transactionProblems(
  config: RelayConfig,
  { key, value }: RoutingOptions['converters'],
): readonly string[] {
  if (!config['provide.transaction.metadata']) return []
  const topic = transactionTopicOf(config)
  const fault = topicNameFault(topic)
  const named = fault === undefined ? [] : [`topic.transaction makes the topic ${topic}: ${fault}`]
  const unwritable = Object.entries({ key, value })
    .filter(([, converter]) => converter.kind === 'bytes' && converter.delegate === null)
    .map(
      ([part]) =>
        `provide.transaction.metadata gives structure, which ${part}.converter bytes cannot write: set ${part}.converter to json`,
    )
  return [...named, ...unwritable]
}

function converterRegistryProblems(
  config: RelayConfig,
  kinds: readonly string[],
): readonly string[] {
  const isDocument = config['value.format'] !== 'converter'
  const { urls } = registryOptions(config)
  const problems: string[] = [...registryProblems(config, urls)]
  if (isDocument && kinds[1] !== 'raw') {
    problems.push('value.format is set, and so is value.converter: leave one of them out')
  }
  const needsRegistry = isDocument || kinds.includes('avro')
  if (needsRegistry && urls.length === 0) {
    problems.push('schema.registry.url is required: keys or values need a schema registry')
  }
  return problems
}

/** A bytea takes two characters a byte in the log; and there are columns that go nowhere. */
const ROW_BYTES_BESIDE_RECORD = 1_048_576

function routingOptions(config: RelayConfig): RoutingOptions {
  const expandJson = {
    nulls: config['table.json.payload.null.behavior'],
    emptyArrays: config['table.json.payload.empty.array.behavior'],
  }
  return {
    messagePrefixes: config['message.prefix.include.list'],
    fields: {
      id: config['table.field.event.id'],
      key: config['table.field.event.key'],
      route: config['route.by.field'],
      payload: config['table.field.event.payload'],
      type: config['table.field.event.type'],
      timestamp: config['table.field.event.timestamp'],
      headers: config['table.field.event.headers'],
      trace: config['tracing.span.context.field'],
      schemaVersion: config['table.field.event.schema.version'],
      tenant: config['route.tenant.field'],
    },
    placements: namingKey('table.fields.additional.placement', () =>
      parsePlacements(config['table.fields.additional.placement']),
    ),
    isPlacedFieldRequired:
      config['table.field.additional.missing'] === undefined
        ? config['table.fields.additional.error.on.missing']
        : config['table.field.additional.missing'] === 'error',
    onInvalidOperation: config['table.op.invalid.behavior'],
    expandJson: config['table.expand.json.payload'] ? expandJson : undefined,
    topicRegex: namingKey('route.topic.regex', () => new RegExp(config['route.topic.regex'])),
    topicReplacement: config['route.topic.replacement'],
    route: config['route.module'] === undefined ? undefined : loadRoute(config['route.module']),
    allowedTopics: namingKey('route.topic.include.list', () =>
      config['route.topic.include.list'].map(allowedTopic),
    ),
    tombstoneOnEmptyPayload: config['route.tombstone.on.empty.payload'],
    tenant:
      config['route.tenant.field'] === ''
        ? undefined
        : {
            topicReplacement: config['route.tenant.topic.replacement'],
            header: config['route.tenant.header'],
          },
    tracesAll: !config['tracing.with.context.field.only'],
    nullKeys: config['key.null.behavior'],
    rowBytesMax: 2 * config['producer.max.request.size'] + ROW_BYTES_BESIDE_RECORD,
    converters: converters(config),
    documentSubject: config['value.format'] === 'converter' ? '' : config['value.subject'],
    values: valueOptions(config),
    topicPrefix: config['topic.prefix'],
    contextHeaders: config['extended.headers.enabled'] ? contextHeaders(config) : [],
  }
}

function captureOptions(config: RelayConfig, routing: RoutingOptions): CaptureOptions | undefined {
  if (config['capture.table.include.list'].length === 0) return undefined
  const { converters: chosen, values, contextHeaders: headers, topicPrefix } = routing
  return {
    tables: captureTables(config),
    tombstonesOnDelete: config['tombstones.on.delete'],
    skippedOperations: skippedOperations(config['skipped.operations']),
    keyColumns: keyColumns(config['message.key.columns']),
    unavailableValues: config['unavailable.value.handling'],
    converters: chosen,
    values,
    contextHeaders: headers,
    topicPrefix,
    version: VERSION,
  }
}

function captureTables(config: RelayConfig): readonly RegExp[] {
  return namingKey('capture.table.include.list', () =>
    config['capture.table.include.list'].map(wholePattern),
  )
}

function wholePattern(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`)
}

function skippedOperations(list: readonly string[]): ReadonlySet<string> {
  const unknown = list.find((operation) => !['c', 'u', 'd', 't', 'none'].includes(operation))
  if (unknown === undefined) return new Set(list)
  throw new Error(`skipped.operations has "${unknown}": c, u, d, t or none`)
}

/** `schema.table:column,column;…` */
function keyColumns(text: string): CaptureOptions['keyColumns'] {
  return namingKey('message.key.columns', () =>
    text
      .split(';')
      .filter((item) => item.trim() !== '')
      .map((item) => {
        const separator = item.lastIndexOf(':')
        const columns = item.slice(separator + 1).split(',')
        if (separator <= 0) throw new Error(`"${item}" is not schema.table:column,column`)
        return {
          table: wholePattern(item.slice(0, separator).trim()),
          columns: columns.map((column) => column.trim()),
        }
      }),
  )
}

/** Of the relay, in the source block. */
const VERSION = '0.1.0'

/** As Debezium's connector for Postgres fills them; a run is one start of the process. */
function contextHeaders(config: RelayConfig): RoutingOptions['contextHeaders'] {
  return [
    ['__debezium.context.connectorLogicalName', config['topic.prefix']],
    ['__debezium.context.taskId', '0'],
    ['__debezium.context.connectorName', 'postgresql'],
    ['__debezium.context.runId', RUN_ID],
  ]
}

const RUN_ID = randomUUID()

function namingKey<Value>(key: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (error) {
    throw new Error(`${key}: ${errorMessage(error)}`, { cause: error })
  }
}
