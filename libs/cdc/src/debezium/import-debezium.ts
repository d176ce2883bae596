import {
  type DebeziumImport,
  type ImportLine,
  type ImportOutcome,
  NotImportableError,
} from './import-report.ts'
import { readDebeziumConfig } from './read-config.ts'
import { CARRIED, MISSING, MISSING_FAMILIES, NEEDLESS, NEEDLESS_FAMILIES } from './known-keys.ts'

const CONNECTOR = /(^|\.)Postgres(ql)?Connector$/
const ROUTER = 'io.debezium.transforms.outbox.EventRouter'
const MASKED = '********'
const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter'
const SIMPLE_HEADER_CONVERTER = 'org.apache.kafka.connect.storage.SimpleHeaderConverter'

/**
 * Turns the configuration of a Debezium connector for Postgres into one of the relay that writes the
 * same records to the same topics, and says of every setting what became of it.
 *
 * `files` are the entries of properties or JSON files, nested names joined by dots.
 *
 * @throws {NotImportableError}
 */
export function importDebezium(files: readonly ReadonlyMap<string, string>[]): DebeziumImport {
  const entries = readDebeziumConfig(files)
  const connectorClass = entries.get('connector.class')
  if (connectorClass === undefined) {
    throw new NotImportableError('no file has connector.class (or debezium.source.connector.class)')
  }
  if (!CONNECTOR.test(connectorClass)) {
    throw new NotImportableError(`connector.class is ${connectorClass}: only Postgres is read here`)
  }
  return new Importer(entries).import()
}

class Importer {
  readonly #entries: ReadonlyMap<string, string>
  readonly #router: string | undefined
  readonly #settings = new Map<string, string>()
  readonly #report: ImportLine[] = []
  readonly #done = new Set<string>(['connector.class', 'name'])

  constructor(entries: ReadonlyMap<string, string>) {
    this.#entries = entries
    this.#router = names(entries.get('transforms')).find(
      (name) => entries.get(`transforms.${name}.type`) === ROUTER,
    )
  }

  import(): DebeziumImport {
    this.#database()
    this.#security()
    this.#slot()
    this.#tables()
    this.#snapshotMode()
    this.#transforms()
    this.#converters()
    this.#extendedHeaders()
    this.#heartbeatQuery()
    this.#topicCreation()
    this.#partitionRoot()
    for (const [key, value] of this.#entries) {
      if (!this.#done.has(key)) this.#other(key, value)
    }
    return { settings: [...this.#settings], report: this.#report }
  }

  #database(): void {
    const part = (name: string, orElse: string): string => this.#take(`database.${name}`) ?? orElse
    const [user, password] = [part('user', 'postgres'), part('password', '')]
    const credentials = `${encodeURIComponent(user)}${password === '' ? '' : `:${encodeURIComponent(password)}`}`
    const address = `${part('hostname', 'localhost')}:${part('port', '5432')}`
    const name = encodeURIComponent(part('dbname', 'postgres'))
    this.#set('database.url', `postgres://${credentials}@${address}/${name}`)
    this.#say('database.*', address, 'carried', 'as database.url')
    this.#databaseTls()
    if (/\$\{/.test(user + password)) {
      this.#say(
        'database.password',
        '${…}',
        'missing',
        'the relay replaces no ${…}: set RELAY_DATABASE_URL or RELAY_DATABASE_URL_FILE',
      )
    }
    const servers = this.#take('bootstrap.servers')
    if (servers !== undefined) this.#carry('bootstrap.servers', servers)
    else
      this.#say(
        'bootstrap.servers',
        '',
        'assumed',
        "127.0.0.1:9092: in Kafka Connect it is the worker's",
      )
  }

  /** Debezium takes what the server offers unless it is told otherwise, and checks no certificate then. */
  #databaseTls(): void {
    const given = this.#take('database.sslmode')
    const mode = given?.trim().toLowerCase()
    if (mode === undefined) this.#say('database.sslmode', 'verify-full', 'assumed', SSLMODE_NOTE)
    else if (SSL_MODES.has(mode)) this.#carry('database.sslmode', mode)
    else this.#say('database.sslmode', given ?? '', 'missing', SSLMODE_NOTE)
    for (const key of ['database.sslrootcert', 'database.sslcert']) {
      const file = this.#take(key)
      if (file !== undefined) this.#carry(key, file)
    }
  }

  /** Of a worker, of its producers, or of Debezium Server. */
  #security(): void {
    for (const prefix of ['', 'producer.', 'sink.kafka.producer.']) {
      for (const key of ['security.protocol', 'sasl.mechanism']) {
        const value = this.#take(prefix + key)
        if (value === undefined) continue
        this.#set(key, value)
        this.#say(prefix + key, value, 'carried', prefix === '' ? '' : `as ${key}`)
      }
      this.#credentials(`${prefix}sasl.jaas.config`)
      for (const key of this.#entries.keys()) {
        if (!key.startsWith(`${prefix}ssl.`) || this.#done.has(key)) continue
        this.#take(key)
        const note = 'the relay reads PEM: see ssl.truststore.location and ssl.keystore.location'
        this.#say(key, MASKED, 'missing', note)
      }
    }
  }

  #credentials(key: string): void {
    const jaas = this.#take(key)
    if (jaas === undefined) return
    const [, username] = /\busername="([^"]*)"/.exec(jaas) ?? []
    const [, password] = /\bpassword="([^"]*)"/.exec(jaas) ?? []
    if (username === undefined || password === undefined) {
      this.#say(
        key,
        MASKED,
        'missing',
        'no username and password: set sasl.username, sasl.password',
      )
      return
    }
    this.#set('sasl.username', username)
    this.#set('sasl.password', password)
    this.#say(key, MASKED, 'carried', 'as sasl.username and sasl.password')
  }

  /** The same slot: the relay goes on where Debezium has stopped. Both must not run at a time. */
  #slot(): void {
    this.#carryOrAssume('slot.name', 'debezium')
    const publication = this.#take('publication.name')
    const publicationKey =
      this.#router === undefined ? 'capture.publication.name' : 'publication.name'
    this.#set(publicationKey, publication ?? 'dbz_publication')
    this.#say(
      'publication.name',
      publication ?? 'dbz_publication',
      publication === undefined ? 'assumed' : 'carried',
      publicationKey === 'publication.name' ? '' : `as ${publicationKey}`,
    )
    // Debezium publishes logical decoding messages as they are; the relay's outbox of messages is off.
    this.#set('message.prefix.include.list', '')
    this.#carryOrAssume('topic.prefix', this.#take('database.server.name') ?? 'debezium')
    const plugin = this.#take('plugin.name')
    if (plugin !== 'pgoutput') {
      const note = 'the relay reads pgoutput alone: give slot.name a new slot, or drop the old one'
      this.#say(
        'plugin.name',
        plugin ?? 'decoderbufs',
        plugin === undefined ? 'assumed' : 'missing',
        note,
      )
    }
  }

  #tables(): void {
    const tables = this.#take('table.include.list')
    const schemas = this.#take('schema.include.list')
    const key = this.#router === undefined ? 'capture.table.include.list' : 'table.include.list'
    if (this.#router === undefined) this.#set('table.include.list', '')
    else if (schemas !== undefined && tables !== undefined) {
      this.#say('schema.include.list', schemas, 'needless', 'table.include.list says it')
    }
    if (tables === undefined && (schemas === undefined || this.#router !== undefined)) {
      this.#say(
        'table.include.list',
        '',
        'missing',
        `every table is meant: name the tables in ${key}`,
      )
      return
    }
    if (tables !== undefined) {
      const list = names(tables)
      this.#set(key, (this.#router === undefined ? list : list.map(literal)).join(','))
      const pattern =
        this.#router === undefined
          ? undefined
          : list.find((name) => /[*+?|()[\]{}^$]/.test(literal(name)))
      if (pattern === undefined)
        this.#say(
          'table.include.list',
          tables,
          'carried',
          key === 'table.include.list' ? '' : `as ${key}`,
        )
      else
        this.#say(
          'table.include.list',
          tables,
          'missing',
          `${pattern} is a regular expression: name the outbox tables one by one`,
        )
      return
    }
    this.#set(
      key,
      names(schemas)
        .map((schema) => `${schema}\\..*`)
        .join(','),
    )
    this.#say('schema.include.list', schemas ?? '', 'carried', `as ${key}`)
  }

  #snapshotMode(): void {
    const given = this.#take('snapshot.mode')
    if (given === undefined) return
    const mode = given.trim().toLowerCase()
    if (SNAPSHOT_MODES.has(mode)) this.#carry('snapshot.mode', mode)
    else {
      const note = `the relay has ${[...SNAPSHOT_MODES].join(', ')}`
      this.#say('snapshot.mode', given, 'missing', note)
    }
  }

  #transforms(): void {
    for (const name of names(this.#take('transforms'))) {
      const type = this.#take(`transforms.${name}.type`) ?? ''
      if (name === this.#router) this.#outboxRouter(name)
      else
        this.#say(
          `transforms.${name}`,
          type,
          'missing',
          'the relay runs no transformations but the outbox event router',
        )
      for (const key of this.#entries.keys()) {
        if (!key.startsWith(`transforms.${name}.`) || this.#done.has(key)) continue
        const value = this.#take(key) ?? ''
        if (name !== this.#router) continue
        if (key.endsWith('.predicate') || key.endsWith('.negate')) {
          this.#say(
            key,
            value,
            'missing',
            'tables that are no outbox belong in capture.table.include.list',
          )
        } else {
          this.#say(key, value, 'missing', 'the outbox event router has no such option')
        }
      }
    }
  }

  #outboxRouter(name: string): void {
    // What the relay has beside Debezium's columns is switched off: it would add headers.
    for (const column of ['type', 'timestamp', 'headers'])
      this.#set(`table.field.event.${column}`, '')
    this.#set('tracing.span.context.field', '')
    this.#set('key.null.behavior', 'allow')
    for (const option of ROUTER_OPTIONS) {
      const key = `transforms.${name}.${option}`
      const value = this.#take(key)
      if (value === undefined) continue
      if (option === 'table.field.event.type') {
        this.#say(
          key,
          value,
          'needless',
          'Debezium reads no such column; see table.fields.additional.placement',
        )
      } else if (option === 'tracing.operation.name') {
        this.#say(key, value, 'needless', 'the relay passes trace contexts on and makes no spans')
      } else {
        this.#set(option, value)
        this.#say(key, value, 'carried', '')
      }
    }
  }

  #converters(): void {
    for (const part of ['key', 'value', 'header'] as const) {
      const key = `${part}.converter`
      const given = this.#take(key)
      const orElse = part === 'header' ? SIMPLE_HEADER_CONVERTER : JSON_CONVERTER
      this.#set(key, given ?? orElse)
      if (given !== undefined)
        this.#say(
          key,
          given,
          'carried',
          KNOWN_CONVERTERS.test(given) ? '' : 'see what the relay says of it',
        )
      else if (part !== 'header') {
        this.#say(
          key,
          orElse,
          'assumed',
          "with schemas: in Kafka Connect it is the worker's, unless the connector has one",
        )
      }
      for (const setting of this.#entries.keys()) {
        if (!setting.startsWith(`${key}.`)) continue
        const value = this.#take(setting) ?? ''
        const suffix = setting.slice(key.length + 1)
        const ofRegistry = REGISTRY_SETTINGS.get(suffix)
        if (ofRegistry !== undefined) {
          this.#set(ofRegistry, value)
          this.#say(setting, value, 'carried', `as ${ofRegistry}`)
        } else if (CONVERTER_SETTINGS.has(suffix)) {
          this.#set(setting, value)
          this.#say(setting, value, 'carried', '')
        } else {
          this.#say(setting, value, 'missing', 'the converters of the relay have no such setting')
        }
      }
    }
  }

  /** On unless it is turned off, since Debezium 3.2. */
  #extendedHeaders(): void {
    const given = this.#take('extended.headers.enabled')
    this.#set('extended.headers.enabled', given ?? 'true')
    this.#say(
      'extended.headers.enabled',
      given ?? 'true',
      given === undefined ? 'assumed' : 'carried',
      '',
    )
  }

  /** Debezium runs none without an interval. */
  #heartbeatQuery(): void {
    const key = 'heartbeat.action.query'
    const query = this.#take(key)
    if (query === undefined) return
    if (Number(this.#entries.get('heartbeat.interval.ms') ?? 0) > 0) this.#carry(key, query)
    else this.#say(key, query, 'needless', 'heartbeat.interval.ms is 0')
  }

  /** Kafka Connect's own, which passes over what no group names. */
  #topicCreation(): void {
    const list = this.#take('topic.creation.groups')
    const groups = [...names(list), 'default']
    if (list !== undefined) this.#carry('topic.creation.groups', list)
    for (const [key, value] of this.#entries) {
      if (!key.startsWith('topic.creation.') || this.#done.has(key)) continue
      this.#take(key)
      if (key === 'topic.creation.enable') {
        if (value === 'true') this.#say(key, value, 'needless', 'the relay makes topics')
        else
          this.#say(key, value, 'missing', 'the relay makes topics: see route.topic.include.list')
      } else if (/^topic\.creation\.default\.(?:in|ex)clude$/.test(key)) {
        this.#say(key, value, 'needless', 'the group default has what no other group has')
      } else if (groups.some((group) => key.startsWith(`topic.creation.${group}.`))) {
        this.#carry(key, value)
      } else {
        this.#say(key, value, 'needless', 'topic.creation.groups names no such group')
      }
    }
  }

  #partitionRoot(): void {
    const key = 'publish.via.partition.root'
    const given = this.#take(key)
    if (given === 'true') this.#say(key, given, 'needless', 'it always is')
    else if (given !== undefined) {
      this.#say(key, given, 'missing', 'partitions are published as their root, to its topic')
    }
  }

  #other(key: string, value: string): void {
    const needless = NEEDLESS[key] ?? familyNote(key, NEEDLESS_FAMILIES)
    if (CARRIED.has(key)) this.#carry(key, value)
    else if (MISSING[key] !== undefined) this.#say(key, value, 'missing', MISSING[key])
    else if (needless !== undefined) this.#say(key, value, 'needless', needless)
    else {
      const note = familyNote(key, MISSING_FAMILIES) ?? 'unknown to the relay'
      this.#say(key, value, 'missing', note)
    }
  }

  #take(key: string): string | undefined {
    this.#done.add(key)
    return this.#entries.get(key)
  }

  #carryOrAssume(key: string, orElse: string): void {
    const given = this.#take(key)
    this.#set(key, given ?? orElse)
    this.#say(key, given ?? orElse, given === undefined ? 'assumed' : 'carried', '')
  }

  #carry(key: string, value: string): void {
    this.#set(key, value)
    this.#say(key, value, 'carried', '')
  }

  #set(key: string, value: string): void {
    this.#settings.set(key, value)
  }

  #say(key: string, value: string, outcome: ImportOutcome, note: string): void {
    const isSecret = /password|secret|user\.info|auth\.token/i.test(key)
    this.#report.push({ key, value: isSecret ? MASKED : value, outcome, note })
  }
}

/** `never` is what `no_data` was called before Debezium 3, which refuses it. */
const SNAPSHOT_MODES: ReadonlySet<string> = new Set([
  'initial',
  'always',
  'when_needed',
  'initial_only',
  'no_data',
  'never',
])
const KNOWN_CONVERTERS =
  /(String|Json|ByteArray|ByteBuffer|BinaryData|SimpleHeader|Avro)\w*Converter$/
const SSL_MODES: ReadonlySet<string> = new Set(['disable', 'require', 'verify-ca', 'verify-full'])
const SSLMODE_NOTE =
  "Debezium's prefer takes plain text where the server offers no TLS, and any certificate: the relay checks it, but for a server on this machine; say require or disable if that is what is meant"
const CONVERTER_SETTINGS: ReadonlySet<string> = new Set([
  'schemas.enable',
  'delegate.converter.type',
  'delegate.converter.type.schemas.enable',
  'schema.registry.url',
  'auto.register.schemas',
  'value.subject.name.strategy',
  'key.subject.name.strategy',
])

/** Of converters, and of the client that these have of the registry: the relay has one for all. */
const REGISTRY_SETTINGS: ReadonlyMap<string, string> = new Map([
  ['basic.auth.credentials.source', 'basic.auth.credentials.source'],
  ['basic.auth.user.info', 'basic.auth.user.info'],
  ['schema.registry.basic.auth.user.info', 'basic.auth.user.info'],
  ['bearer.auth.token', 'bearer.auth.token'],
])

/** Every option of the router; the relay has them under the same names. */
const ROUTER_OPTIONS: readonly string[] = [
  'table.field.event.id',
  'table.field.event.key',
  'table.field.event.type',
  'table.field.event.payload',
  'table.field.event.timestamp',
  'table.field.event.schema.version',
  'table.fields.additional.placement',
  'table.fields.additional.error.on.missing',
  'table.field.additional.missing',
  'table.op.invalid.behavior',
  'table.expand.json.payload',
  'table.json.payload.null.behavior',
  'table.json.payload.empty.array.behavior',
  'route.by.field',
  'route.topic.regex',
  'route.topic.replacement',
  'route.tombstone.on.empty.payload',
  'tracing.span.context.field',
  'tracing.operation.name',
  'tracing.with.context.field.only',
]

function names(list: string | undefined): readonly string[] {
  return (list ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** Debezium's lists hold regular expressions; a dot is mostly meant as one. */
function literal(pattern: string): string {
  return pattern.replaceAll(/\\+\./g, '.')
}

function familyNote(key: string, families: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(families).find(([prefix]) => key.startsWith(prefix))?.[1]
}
