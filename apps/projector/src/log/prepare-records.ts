import { type AnyEvents, recordName } from '@fairlead/avro'
import { DecodeError, EVENT_HEADERS, OperationalError, invariant } from '@fairlead/base'
import {
  type LogRecord,
  type PreparedRecord,
  type Projection,
  headersText,
  keyText,
  planRecord,
  readSource,
  unitOf,
} from '@fairlead/projection'
import {
  type AvroSerde,
  SUBJECT_NAME_STRATEGIES,
  type SchemaName,
  writtenWith,
} from '@fairlead/serde'

/** What the reader needs to read values. */
export type ValueSerde = Pick<AvroSerde, 'decoder' | 'subjectVersion'>

export type ReaderOptions = {
  /** Wall clock. */
  readonly nowMs: () => number
  /** An event that claims to be later than this ahead of the clock is set aside. */
  readonly aheadMaxMs: number
  /** Header that names the tenant; undefined where there are none. */
  readonly tenantHeader?: string | undefined
}

type DecodeValue = (bytes: Uint8Array, payloadOffset: number) => unknown

/** Decoders of one event type, by the schema that the record names. */
type TypeDecoders = {
  readonly source: AnyEvents
  readonly bySchema: Map<SchemaName, DecodeValue>
}

/** Turns records of the log into events: reads the headers, decodes the values. */
export class RecordReader {
  readonly #projection: Projection
  readonly #serde: ValueSerde
  readonly #options: ReaderOptions
  readonly #decoders = new Map<string, TypeDecoders>()

  constructor(projection: Projection, serde: ValueSerde, options: ReaderOptions) {
    this.#projection = projection
    this.#serde = serde
    this.#options = options
    for (const source of projection.sources) {
      for (const eventType of Object.keys(source.definitions)) {
        this.#decoders.set(eventType, { source, bySchema: new Map() })
      }
    }
  }

  /**
   * Waits for the registry at the first record of a schema only.
   *
   * @throws {OperationalError} when the schema registry cannot be reached.
   */
  async prepare(records: readonly LogRecord[]): Promise<readonly PreparedRecord[]> {
    const prepared: PreparedRecord[] = []
    for (const record of records) {
      const one = this.#prepareOne(record)
      prepared.push(one instanceof Promise ? await one : one)
    }
    return prepared
  }

  #prepareOne(record: LogRecord): PreparedRecord | Promise<PreparedRecord> {
    const headers = headersText(record)
    const source = readSource(headers)
    const plan = planRecord(this.#projection, record, headers)
    const key = keyText(record)
    const tenant = this.#tenantOf(headers)
    const common = {
      record,
      tenant,
      key: unitOf(tenant, key),
      eventType: plan.kind === 'event' || plan.kind === 'unknown' ? plan.eventType : null,
      source: source.ok ? source.source : null,
    }
    if (plan.kind !== 'event') return { ...common, content: plan }
    if (!source.ok) return { ...common, content: { kind: 'undecodable', error: source.error } }
    const aheadMs = record.timestampMs - this.#options.nowMs()
    if (aheadMs > this.#options.aheadMaxMs) {
      return { ...common, content: { kind: 'undecodable', error: tooFarAhead(aheadMs) } }
    }

    const { eventType, value } = plan
    const contentOf = (decode: DecodeValue, payloadOffset: number): PreparedRecord['content'] => {
      const { topic, partition, offset } = record
      return {
        kind: 'event',
        event: {
          type: eventType,
          data: decode(value, payloadOffset),
          id: headers[EVENT_HEADERS.id] ?? `${topic}/${partition}@${offset}`,
          key,
          at: new Date(record.timestampMs),
          source: { topic, partition, offset },
          headers,
        },
      }
    }
    try {
      const { schema, payloadOffset } = writtenWith(value, record.headers)
      const decode = this.#decoderOf(eventType, schema)
      if (typeof decode === 'function') {
        return { ...common, content: contentOf(decode, payloadOffset) }
      }
      return decode.then(
        (loaded) => ({ ...common, content: orUndecodable(() => contentOf(loaded, payloadOffset)) }),
        (error: unknown) => ({ ...common, content: undecodable(error) }),
      )
    } catch (error) {
      return { ...common, content: undecodable(error) }
    }
  }

  #tenantOf(headers: Readonly<Record<string, string>>): string {
    const { tenantHeader } = this.#options
    // Postgres has no text with NUL in it.
    return tenantHeader === undefined ? '' : (headers[tenantHeader] ?? '').replaceAll('\0', '')
  }

  #decoderOf(eventType: string, schema: SchemaName): DecodeValue | Promise<DecodeValue> {
    const decoders = this.#decoders.get(eventType)
    invariant(decoders !== undefined, 'events are of the types of the projection')
    return decoders.bySchema.get(schema) ?? this.#loadDecoder(eventType, schema, decoders)
  }

  async #loadDecoder(
    eventType: string,
    schema: SchemaName,
    { source, bySchema }: TypeDecoders,
  ): Promise<DecodeValue> {
    const decode = await this.#makeDecoder(eventType, schema, source)
    bySchema.set(schema, decode)
    return decode
  }

  /** A value is resolved to the schema of the definition, or cast up from the version that wrote it. */
  async #makeDecoder(
    eventType: string,
    schema: SchemaName,
    source: AnyEvents,
  ): Promise<DecodeValue> {
    const definition = source.definitions[eventType]
    invariant(definition !== undefined, 'an event set has the types that it is asked for')
    const upcasts = source.upcasts[eventType]
    if (upcasts !== undefined) {
      const subject = SUBJECT_NAME_STRATEGIES.topicRecordName(
        source.topic,
        'value',
        recordName(definition),
      )
      const upcast = upcasts[await this.#serde.subjectVersion(schema, subject)]
      if (upcast !== undefined) {
        const old = await this.#serde.decoder(schema)
        // Its parameter is the shape that the version has; no type knows the versions of a registry.
        return (bytes, payloadOffset) => upcast(old.decode(bytes, payloadOffset) as never)
      }
    }
    const decoder = await this.#serde.decoder(schema, { schema: JSON.stringify(definition) })
    return (bytes, payloadOffset) => decoder.decode(bytes, payloadOffset)
  }
}

/** Its time would be that of the read model, and of the lag, until the clock gets there. */
function tooFarAhead(aheadMs: number): DecodeError {
  return new DecodeError(`the record is ${Math.round(aheadMs / 1_000)} s ahead of the clock`, 0)
}

function orUndecodable(contentOf: () => PreparedRecord['content']): PreparedRecord['content'] {
  try {
    return contentOf()
  } catch (error) {
    return undecodable(error)
  }
}

/** @throws the error itself when it is not the record's fault. */
function undecodable(error: unknown): PreparedRecord['content'] {
  // A registry that is away may be back; one that does not know the schema id will not learn it. What
  // else is thrown, an upcast has thrown.
  if (error instanceof OperationalError && error.retryable) throw error
  return { kind: 'undecodable', error }
}
