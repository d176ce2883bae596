import { toConnectAvro } from './avro-converter.ts'
import type { ConnectDatum } from './connect-schema.ts'
import { toConnectJson } from './json-converter.ts'
import { NoTextError, toConnectText, toHeaderText } from './string-converter.ts'

/**
 * How a value becomes bytes. Each but `raw` writes what the converter of Kafka Connect of the same
 * meaning writes.
 */
export type Converter =
  /** The bytes of a bytea, the text of anything else: nothing is parsed. */
  | { readonly kind: 'raw' }
  /** `org.apache.kafka.connect.storage.StringConverter` */
  | { readonly kind: 'string' }
  /** `org.apache.kafka.connect.json.JsonConverter` */
  | { readonly kind: 'json'; readonly hasSchemas: boolean }
  /** `…ByteArrayConverter`, and `io.debezium.converters.BinaryDataConverter` with its delegate. */
  | { readonly kind: 'bytes'; readonly delegate: Converter | null }
  /** `io.confluent.connect.avro.AvroConverter`: the registry gives the id of the schema. */
  | { readonly kind: 'avro' }
  /** `org.apache.kafka.connect.storage.SimpleHeaderConverter` */
  | { readonly kind: 'simple' }

/** A value that its converter cannot write. */
export type ConversionFault = { readonly fault: string }

/** A key or value; with the schema whose id in the registry goes before the bytes. */
export type Converted = { readonly bytes: Uint8Array | null; readonly avroSchema?: string }

const TEXT = new TextEncoder()

/** A key or value of a record. */
export function convertPart(
  converter: Converter,
  datum: ConnectDatum,
): Converted | ConversionFault {
  if (converter.kind !== 'avro') {
    const bytes = convert(converter, datum)
    return isFault(bytes) ? bytes : { bytes }
  }
  if (datum.schema === null || datum.value === null) return { bytes: null }
  const { schema, bytes } = toConnectAvro(datum.schema, datum.value)
  return { bytes, avroSchema: schema }
}

/** The bytes, or null for what the converter writes as null. `raw` is for columns alone. */
export function convert(
  converter: Converter,
  datum: ConnectDatum,
): Uint8Array | null | ConversionFault {
  switch (converter.kind) {
    case 'json':
      return bytesOf(toConnectJson(datum, converter.hasSchemas))
    case 'simple':
      return bytesOf(toHeaderText(datum))
    case 'bytes': {
      const { schema, value } = datum
      if (schema === null || schema.type === 'bytes')
        return value instanceof Uint8Array ? value : null
      if (converter.delegate !== null) return convert(converter.delegate, datum)
      return { fault: `a ${schema.type} is no bytes, which the converter needs` }
    }
    case 'avro':
      return { fault: 'Avro is for keys and values' }
    case 'raw':
    case 'string':
      try {
        return bytesOf(toConnectText(datum))
      } catch (error) {
        if (error instanceof NoTextError) return { fault: error.message }
        throw error
      }
  }
}

export function isFault(value: object | null): value is ConversionFault {
  return value !== null && 'fault' in value
}

function bytesOf(text: string | null): Uint8Array | null {
  return text === null ? null : TEXT.encode(text)
}
