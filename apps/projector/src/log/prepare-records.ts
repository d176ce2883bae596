import { DecodeError, EVENT_HEADERS, OperationalError } from '@fairlead/base'
import {
  type LogRecord,
  type PreparedRecord,
  type Projection,
  headersText,
  keyText,
  planRecord,
  readSource,
} from '@fairlead/projection'
import type { AvroSerde } from '@fairlead/serde'

/** Turns records of the log into events: reads the headers, decodes the values. */
export class RecordReader {
  readonly #projection: Projection
  readonly #serde: Pick<AvroSerde, 'decode'>
  readonly #readerSchemas: ReadonlyMap<string, { readonly schema: string }>

  constructor(projection: Projection, serde: Pick<AvroSerde, 'decode'>) {
    this.#projection = projection
    this.#serde = serde
    this.#readerSchemas = new Map(
      Object.entries(projection.events.definitions).map(([eventType, definition]) => [
        eventType,
        { schema: JSON.stringify(definition) },
      ]),
    )
  }

  /** @throws {OperationalError} when the schema registry cannot be reached. */
  async prepare(records: readonly LogRecord[]): Promise<readonly PreparedRecord[]> {
    const prepared: PreparedRecord[] = []
    for (const record of records) prepared.push(await this.#prepareOne(record))
    return prepared
  }

  async #prepareOne(record: LogRecord): Promise<PreparedRecord> {
    const headers = headersText(record)
    const source = readSource(headers)
    const plan = planRecord(this.#projection, record, headers)
    const common = {
      record,
      key: keyText(record),
      eventType: plan.kind === 'event' ? plan.eventType : null,
      source: source.ok ? source.source : null,
    }
    if (plan.kind !== 'event') return { ...common, content: plan }
    if (!source.ok) return { ...common, content: { kind: 'undecodable', error: source.error } }
    try {
      const data = await this.#decode(plan.eventType, plan.value)
      const { topic, partition, offset } = record
      const event = {
        type: plan.eventType,
        data,
        id: headers[EVENT_HEADERS.id] ?? `${topic}/${partition}@${offset}`,
        key: common.key,
        at: new Date(record.timestampMs),
        source: { topic, partition, offset },
        headers,
      }
      return { ...common, content: { kind: 'event', event } }
    } catch (error) {
      if (!isFaultOfRecord(error)) throw error
      return { ...common, content: { kind: 'undecodable', error } }
    }
  }

  async #decode(eventType: string, value: Uint8Array): Promise<unknown> {
    const decoded = await this.#serde.decode(value, this.#readerSchemas.get(eventType))
    return decoded.value
  }
}

/** A registry that is away may be back; one that does not know the schema id will not learn it. */
function isFaultOfRecord(error: unknown): boolean {
  if (error instanceof DecodeError) return true
  return error instanceof OperationalError && !error.retryable
}
