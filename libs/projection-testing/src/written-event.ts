import {
  type AnyEvents,
  type AvroWrite,
  type EventTypeOf,
  type NewEvent,
  type RecordDefinition,
  canonicalText,
  parseSchema,
} from '@fairlead/avro'
import { errorMessage } from '@fairlead/base'
import type { PreparedRecord } from '@fairlead/projection'
import { avroDecoderOf, avroEncoderOf } from '@fairlead/serde'

/** An event as an older release wrote it. */
export type WrittenEvent<T extends string = string> = NewEvent<T> & {
  readonly written: { readonly schema: RecordDefinition; readonly version: number | undefined }
}

/**
 * An event that was written with another schema than the definition has now: as live, its value is resolved to that,
 * or cast up where the set has an upcast for the version.
 *
 *     await given(orders)
 *       .events(eventWrittenWith(Orders, { type: 'OrderPlaced', version: 1, schema: orderPlacedV1, data: { … } }))
 *       .then([…])
 *
 * @throws {TypeError} when it lacks what tells its key, or which upcast is for it.
 */
export function eventWrittenWith<
  S extends AnyEvents,
  T extends EventTypeOf<S>,
  const D extends RecordDefinition,
>(
  events: S,
  of: {
    readonly type: T
    readonly schema: D
    readonly data: AvroWrite<D>
    /** Of the subject in the registry; needed where the type has upcasts. */
    readonly version?: number
    /** Where the old schema has it in another field. */
    readonly key?: string
  },
): WrittenEvent<T> {
  const { type, schema, data, version } = of
  const field = (data as Readonly<Record<string, unknown>>)[events.keyField ?? '']
  if (of.key === undefined && field === undefined) {
    throw new TypeError(`${type}: its data has no ${events.keyField ?? 'key field'}: give { key }`)
  }
  if (version === undefined && events.upcasts[type] !== undefined) {
    throw new TypeError(`${type} has upcasts: give { version }, the one that wrote the event`)
  }
  const { topic } = events
  const key = of.key ?? String(field)
  return { type, data, key, topic, written: { schema, version } }
}

/** @throws {TypeError} for data that its schema does not have: the outbox refuses it. */
export function encodeEvent(events: AnyEvents, event: NewEvent | WrittenEvent): Uint8Array {
  try {
    return encoderOf(writerOf(events, event)).encode(event.data)
  } catch (cause) {
    const reason = `the outbox refuses ${event.type} with key "${event.key}"`
    throw new TypeError(`${reason}: ${errorMessage(cause)}`, { cause })
  }
}

type Decoded =
  | { readonly data: unknown }
  | Extract<PreparedRecord['content'], { readonly kind: 'undecodable' }>

/** As a projector does it: what cannot be decoded is the event's fault. */
export function decodeEvent(
  events: AnyEvents,
  event: NewEvent | WrittenEvent,
  value: Uint8Array,
): Decoded {
  try {
    const writer = writerOf(events, event)
    const version = 'written' in event ? event.written.version : undefined
    const upcast = version === undefined ? undefined : events.upcasts[event.type]?.[version]
    const definition = definitionOf(events, event)
    if (upcast === undefined || isSameSchema(writer, definition)) {
      return { data: decode(writer, definition, value) }
    }
    // Its parameter is the shape that the version has.
    return { data: upcast(decode(writer, writer, value) as never) }
  } catch (error) {
    return { kind: 'undecodable', error }
  }
}

function writerOf(events: AnyEvents, event: NewEvent | WrittenEvent): RecordDefinition {
  return 'written' in event ? event.written.schema : definitionOf(events, event)
}

function definitionOf({ topic, definitions }: AnyEvents, { type }: NewEvent): RecordDefinition {
  const definition = definitions[type]
  if (definition === undefined) throw new TypeError(`${topic} has no ${type}`)
  return definition
}

/** As a registry tells versions of a subject apart. */
function isSameSchema(one: RecordDefinition, other: RecordDefinition): boolean {
  return equivalenceText(one) === equivalenceText(other)
}

function equivalenceText(definition: RecordDefinition): string {
  return canonicalText(parseSchema(JSON.stringify(definition), { mode: 'lenient' }), 'equivalence')
}

type Encoder = ReturnType<typeof avroEncoderOf>
type Decoder = ReturnType<typeof avroDecoderOf>

const encoders = new WeakMap<RecordDefinition, Encoder>()
/** By the writer's schema and the reader's. */
const decoders = new WeakMap<RecordDefinition, WeakMap<RecordDefinition, Decoder>>()

function encoderOf(schema: RecordDefinition): Encoder {
  const known = encoders.get(schema)
  if (known !== undefined) return known
  const encoder = avroEncoderOf(JSON.stringify(schema))
  encoders.set(schema, encoder)
  return encoder
}

function decode(writer: RecordDefinition, reader: RecordDefinition, value: Uint8Array): unknown {
  const ofWriter = decoders.get(writer) ?? new WeakMap<RecordDefinition, Decoder>()
  decoders.set(writer, ofWriter)
  const decoder =
    ofWriter.get(reader) ?? avroDecoderOf(JSON.stringify(writer), JSON.stringify(reader))
  ofWriter.set(reader, decoder)
  return decoder.decode(value)
}
