import { createHash } from 'node:crypto'
import { type AnyEvents, recordName } from '@fairlead/avro'
import { DecodeError, OperationalError, invariant } from '@fairlead/base'
import {
  type AnyEvent,
  EventHeadersReader,
  type LogRecord,
  type PreparedRecord,
  type Projection,
  headersText,
  headersWhenRead,
  keyText,
  looksTwice,
  planRecord,
  readValue,
  readsHeadersLate,
  redactedError,
  unitOf,
} from '@fairlead/projection'
import {
  type AvroSerde,
  RegistryError,
  SUBJECT_NAME_STRATEGIES,
  type SchemaName,
  VALUE_SCHEMA_ID_HEADER,
  WIRE_PREFIX_BYTES,
  prefixedSchemaId,
  writtenWith,
} from '@fairlead/serde'

/** What the reader needs to read values. */
export type ValueSerde = Pick<AvroSerde, 'decoder' | 'subjectVersion' | 'isSchema'>

export type ReaderOptions = {
  /** Wall clock. */
  readonly nowMs: () => number
  /** An event that claims to be later than this ahead of the clock is set aside. */
  readonly aheadMaxMs: number
  /** Header that names the tenant; undefined where there are none. */
  readonly tenantHeader?: string | undefined
  /**
   * Handlers that are pure functions get headers that become texts when they are asked for. Until then these hold on
   * to all that was fetched with their record: for rows that last no longer than a batch.
   */
  readonly headersWhenRead?: boolean
  /** Events of all others are ignored, as if they were not there; undefined: none is left out. */
  readonly includedTenants?: readonly string[] | undefined
}

/** The payload is from `start` to `end`. */
type DecodeValue = (bytes: Uint8Array, start: number, end: number) => unknown

/** How the events of a type are decoded that were written with one schema. */
class EventDecoder {
  readonly eventType: string
  readonly headers: EventHeadersReader
  /** The texts of all headers, as the projection is to get them. */
  readonly headersOf: typeof headersText
  readonly #decode: DecodeValue
  #payloadOffset = 0
  #read: DecodeValue

  constructor(of: Pick<EventDecoder, 'eventType' | 'headers' | 'headersOf'>, decode: DecodeValue) {
    this.eventType = of.eventType
    this.headers = of.headers
    this.headersOf = of.headersOf
    this.#decode = decode
    this.#read = decode
  }

  /** Reads values whose payload begins there: the same function for all of them, as nearly all of a schema do. */
  reading(payloadOffset: number): DecodeValue {
    if (payloadOffset !== this.#payloadOffset) {
      const decode = this.#decode
      this.#payloadOffset = payloadOffset
      this.#read = (bytes, start, end) => decode(bytes, start + payloadOffset, end)
    }
    return this.#read
  }
}

/** Decoders of one event type, by the schema that the record names. */
type TypeDecoders = {
  readonly source: AnyEvents
  readonly bySchema: Map<SchemaName, EventDecoder>
}

/** Turns records of the log into events: reads the headers, decodes the values. */
export class RecordReader {
  readonly #projection: Projection
  readonly #serde: ValueSerde
  readonly #options: ReaderOptions
  readonly #headers: EventHeadersReader
  readonly #includedTenants: ReadonlySet<string> | undefined
  readonly #decoders = new Map<string, TypeDecoders>()

  constructor(projection: Projection, serde: ValueSerde, options: ReaderOptions) {
    this.#projection = projection
    this.#serde = serde
    this.#options = options
    this.#headers = new EventHeadersReader({
      tenant: options.tenantHeader,
      schema: VALUE_SCHEMA_ID_HEADER,
    })
    const { includedTenants } = options
    if (includedTenants !== undefined) this.#includedTenants = new Set(includedTenants)
    for (const source of projection.sources) {
      for (const eventType of Object.keys(source.definitions)) {
        this.#decoders.set(eventType, { source, bySchema: new Map() })
      }
    }
  }

  /** Reads the same records, and ignores those of all other tenants. */
  ofTenant(tenant: string): RecordReader {
    const options = { ...this.#options, includedTenants: [tenant] }
    return new RecordReader(this.#projection, this.#serde, options)
  }

  /**
   * Waits for the registry at the first record of a schema only.
   *
   * @throws {OperationalError} when the schema registry cannot be reached.
   */
  async prepare(records: readonly LogRecord[]): Promise<readonly PreparedRecord[]> {
    const prepared: PreparedRecord[] = []
    const nowMs = this.#options.nowMs()
    for (const record of records) {
      const one = this.#prepareOne(record, nowMs)
      const ready = one instanceof Promise ? await one : one
      prepared.push(ready instanceof EncodedEvent ? ready.decoded() : ready)
    }
    return prepared
  }

  /**
   * As {@link prepare}, but an event is decoded when its content is asked for, and whenever it is: a fold
   * lets go of each event before it takes the next one, so that a batch is never in memory as
   * events, which take several times what their records do. Projections that look at their
   * events more than once get them as `prepare` makes them.
   */
  async prepareLazily(records: readonly LogRecord[]): Promise<readonly PreparedRecord[]> {
    if (looksTwice(this.#projection)) return this.prepare(records)
    const prepared: PreparedRecord[] = []
    const nowMs = this.#options.nowMs()
    for (const record of records) {
      const one = this.#prepareOne(record, nowMs)
      prepared.push(one instanceof Promise ? await one : one)
    }
    return prepared
  }

  #prepareOne(record: LogRecord, nowMs: number): PreparedRecord | Promise<PreparedRecord> {
    const {
      eventType,
      tenant: tenantText = '',
      namesSchema,
      sourceError,
    } = this.#headers.read(record)
    const eventKey = keyText(record)
    const tenant = tenantText === '' ? '' : tenantOf(tenantText, () => this.#tenantBytes(record))
    const key = this.#options.tenantHeader === undefined ? eventKey : unitOf(tenant, eventKey)
    if (this.#includedTenants !== undefined && !this.#includedTenants.has(tenant)) {
      // Its place counts as much: readers wait for it.
      const source = this.#headers.sourceOf(record)
      return { record, tenant, key, eventType: null, source, content: IGNORED }
    }
    const plan = planRecord(this.#projection, record, eventType)
    if (plan.kind === 'event' && sourceError === undefined) {
      const aheadMs = record.timestampMs - nowMs
      if (aheadMs <= this.#options.aheadMaxMs) {
        const encoded = { record, key, tenant, eventKey }
        return this.#encodedEvent(encoded, plan.eventType, namesSchema)
      }
    }
    const common = {
      record,
      tenant,
      key,
      eventType: plan.kind === 'event' || plan.kind === 'unknown' ? plan.eventType : null,
      source: this.#headers.sourceOf(record),
    }
    if (plan.kind !== 'event') return { ...common, content: plan }
    return {
      ...common,
      content: {
        kind: 'undecodable',
        error: sourceError ?? tooFarAhead(record.timestampMs - nowMs),
      },
    }
  }

  #tenantBytes({ headers }: LogRecord): Uint8Array {
    const bytes = headers.findLast(([name]) => name === this.#options.tenantHeader)?.[1] ?? null
    invariant(bytes !== null, 'a tenant was read from a header')
    return bytes
  }

  #encodedEvent(
    encoded: Encoded,
    eventType: string,
    namesSchema: boolean,
  ): PreparedRecord | Promise<PreparedRecord> {
    try {
      const { schema, payloadOffset } = writtenIn(encoded.record, namesSchema)
      const decoder = this.#decoderOf(eventType, schema)
      if (!(decoder instanceof Promise)) return new EncodedEvent(encoded, decoder, payloadOffset)
      return decoder.then(
        (loaded) => new EncodedEvent(encoded, loaded, payloadOffset),
        (error: unknown) => this.#undecodableRecord(encoded, eventType, error),
      )
    } catch (error) {
      return this.#undecodableRecord(encoded, eventType, error)
    }
  }

  #undecodableRecord(encoded: Encoded, eventType: string, error: unknown): PreparedRecord {
    const { record, key, tenant } = encoded
    const source = this.#headers.sourceOf(record)
    return { record, key, tenant, eventType, source, content: undecodable(error) }
  }

  #decoderOf(eventType: string, schema: SchemaName): EventDecoder | Promise<EventDecoder> {
    const decoders = this.#decoders.get(eventType)
    invariant(decoders !== undefined, 'events are of the types of the projection')
    return decoders.bySchema.get(schema) ?? this.#loadDecoder(eventType, schema, decoders)
  }

  async #loadDecoder(
    eventType: string,
    schema: SchemaName,
    { source, bySchema }: TypeDecoders,
  ): Promise<EventDecoder> {
    const { headersWhenRead: isLate = false } = this.#options
    const decoder = new EventDecoder(
      {
        eventType,
        headers: this.#headers,
        headersOf: isLate && readsHeadersLate(this.#projection) ? headersWhenRead : headersText,
      },
      await this.#makeDecoder(eventType, schema, source),
    )
    bySchema.set(schema, decoder)
    return decoder
  }

  /**
   * A value is resolved to the schema of the definition, or cast up from the version that wrote it. What the
   * definition itself wrote is never cast up: in a registry that begins with it, its version is 1.
   */
  async #makeDecoder(
    eventType: string,
    schema: SchemaName,
    source: AnyEvents,
  ): Promise<DecodeValue> {
    const definition = source.definitions[eventType]
    invariant(definition !== undefined, 'an event set has the types that it is asked for')
    const ofDefinition = { schema: JSON.stringify(definition) }
    const upcasts = source.upcasts[eventType]
    if (upcasts !== undefined) {
      const subject = SUBJECT_NAME_STRATEGIES.topicRecordName(
        source.topic,
        'value',
        recordName(definition),
      )
      const upcast = upcasts[await this.#serde.subjectVersion(schema, subject)]
      if (upcast !== undefined && !(await this.#serde.isSchema(schema, ofDefinition))) {
        const old = await this.#serde.decoder(schema)
        return (bytes, start, end) => {
          const data = old.decode(bytes, start, end)
          try {
            // Its parameter is the shape that the version has; no type knows the versions of a registry.
            return upcast(data as never)
          } catch (error) {
            // What is personal in the type is so under the same name in the version.
            const event = { type: eventType, data }
            throw redactedError(error, { sources: [source], event, failureClass: 'decode' })
          }
        }
      }
    }
    const decoder = await this.#serde.decoder(schema, ofDefinition)
    return (bytes, start, end) => decoder.decode(bytes, start, end)
  }
}

/** More of a name is of no use to people, and an entry of an index is 2,704 bytes at most. */
const TENANT_LENGTH_MAX = 500
const TENANT_BEGINNING_LENGTH = 400

/** What bytes become that are no UTF-8: texts of two tenants would be one. */
const REPLACEMENT = '\ufffd'

/** Whose an event is by a header, which a producer may have filled with anything. */
function tenantOf(text: string, bytesOf: () => Uint8Array): string {
  // Postgres has no text with NUL in it.
  const name = text.replaceAll('\0', '')
  const isWhole = name === text && !name.includes(REPLACEMENT)
  if (isWhole && name.length <= TENANT_LENGTH_MAX) return name
  const digest = createHash('sha256').update(bytesOf()).digest('hex')
  return `${name.slice(0, TENANT_BEGINNING_LENGTH)}~${digest}`.toWellFormed()
}

const IGNORED = { kind: 'ignored' } as const

type Encoded = Required<Omit<PreparedRecord, 'content' | 'plan' | 'eventType' | 'source'>>

/** The schema of an event's value, and where its payload begins in it. */
function writtenIn(record: LogRecord, namesSchema: boolean): ReturnType<typeof writtenWith> {
  if (!namesSchema) {
    const schema = readValue(record, prefixedSchemaId)
    if (typeof schema === 'number') return { schema, payloadOffset: WIRE_PREFIX_BYTES }
  }
  return writtenWith(valueOf(record), record.headers)
}

function valueOf({ value }: LogRecord): Uint8Array {
  invariant(value !== null, 'an event has a value')
  return value
}

/**
 * An event as its record has it. Tens of thousands of them wait for their turn: what they hold is what
 * the garbage collector copies.
 */
class EncodedEvent implements PreparedRecord {
  readonly record: LogRecord
  readonly key: string
  readonly tenant: string
  readonly eventKey: string
  readonly #decoder: EventDecoder
  readonly #payloadOffset: number

  constructor(encoded: Encoded, decoder: EventDecoder, payloadOffset: number) {
    this.record = encoded.record
    this.key = encoded.key
    this.tenant = encoded.tenant
    this.eventKey = encoded.eventKey
    this.#decoder = decoder
    this.#payloadOffset = payloadOffset
  }

  get eventType(): string {
    return this.#decoder.eventType
  }

  /** Read anew each time. */
  get source(): PreparedRecord['source'] {
    return this.#decoder.headers.sourceOf(this.record)
  }

  get plan(): 'event' {
    return 'event'
  }

  /** Decoded anew each time. */
  get content(): PreparedRecord['content'] {
    try {
      return { kind: 'event', event: this.#event() }
    } catch (error) {
      return undecodable(error instanceof DecodeError ? this.#inValue(error) : error)
    }
  }

  decoded(): PreparedRecord {
    const { record, key, tenant, eventType, source, content } = this
    return { record, key, tenant, eventType, source, content }
  }

  /** Values are decoded where they were fetched; a place in all of that is of no use to anybody. */
  #inValue(error: DecodeError): unknown {
    const value = valueOf(this.record)
    try {
      this.#decoder.reading(this.#payloadOffset)(value, 0, value.length)
      return error
    } catch (ofValue) {
      return ofValue
    }
  }

  #event(): AnyEvent {
    const { topic, partition, offset, timestampMs } = this.record
    const decoder = this.#decoder
    const event = {
      type: decoder.eventType,
      data: readValue(this.record, decoder.reading(this.#payloadOffset)),
      id: decoder.headers.idOf(this.record) ?? `${topic}/${partition}@${offset}`,
      key: this.eventKey,
      at: new Date(timestampMs),
      source: { topic, partition, offset },
      headers: decoder.headersOf(this.record),
    }
    return this.tenant === '' ? event : { ...event, tenant: this.tenant }
  }
}

/** Its time would be that of the read model, and of the lag, until the clock gets there. */
function tooFarAhead(aheadMs: number): DecodeError {
  return new DecodeError(`the record is ${Math.round(aheadMs / 1_000)} s ahead of the clock`, 0)
}

/** @throws {OperationalError} when it is not the record's fault, and the same record may be read later. */
function undecodable(error: unknown): PreparedRecord['content'] {
  // A registry that is away may be back, and one that refuses a password may take the next; one that does
  // not know the schema id will not learn it. What else is thrown, an upcast has thrown.
  if (error instanceof OperationalError && error.retryable) throw error
  if (error instanceof RegistryError && !error.isAboutSchema) {
    const { code, message } = error
    throw new OperationalError(message, { code, retryable: true, cause: error })
  }
  return { kind: 'undecodable', error }
}
