import { defineConfig } from '@fairlead/service'

/** How keys, values and headers become bytes, and columns become values: names of Kafka Connect and Debezium. */
export const CONVERTER_CONFIG = defineConfig({
  'key.converter': {
    type: 'string',
    default: 'raw',
    doc: 'raw (bytes of a bytea, text of anything else), string, json, bytes, avro, or the class of a Kafka Connect converter.',
  },
  'key.converter.schemas.enable': {
    type: 'boolean',
    default: true,
    doc: 'With json: {"schema": …, "payload": …} instead of the value alone.',
  },
  'value.converter': {
    type: 'string',
    default: 'raw',
    doc: 'As key.converter.',
  },
  'value.converter.schemas.enable': {
    type: 'boolean',
    default: true,
    doc: 'As key.converter.schemas.enable.',
  },
  'value.converter.delegate.converter.type': {
    type: 'string',
    default: '',
    doc: "Converter of what is no bytes, with value.converter bytes (Debezium's BinaryDataConverter).",
  },
  'value.converter.delegate.converter.type.schemas.enable': {
    type: 'boolean',
    default: true,
    doc: 'As key.converter.schemas.enable, of the delegate.',
  },
  'value.format': {
    type: 'enum',
    values: ['converter', 'registry', 'avro', 'json-schema', 'protobuf'],
    default: 'converter',
    doc: 'What value.converter writes; or the payload is JSON, checked and encoded by the latest schema of value.subject, of any type (registry) or of this one.',
  },
  'value.subject': {
    type: 'string',
    default: '${topic}-value',
    doc: 'Subject of the schema of a payload, with ${topic} and ${type}.',
  },
  'value.message': {
    type: 'string',
    default: '',
    doc: 'Message of a Protobuf schema; the first one of the file without it.',
  },
  'schema.registry.url': {
    type: 'list',
    default: [],
    doc: 'Schema registries, one after the other.',
  },
  'schema.registry.cache.ttl.ms': {
    type: 'int',
    default: 60_000,
    min: 1_000,
    doc: 'How long a version counts as the latest of its subject.',
  },
  'key.converter.schema.registry.url': {
    type: 'list',
    default: [],
    doc: 'As schema.registry.url, for configurations of Kafka Connect.',
  },
  'value.converter.schema.registry.url': {
    type: 'list',
    default: [],
    doc: 'As schema.registry.url, for configurations of Kafka Connect.',
  },
  'header.converter': {
    type: 'string',
    default: 'raw',
    doc: "raw, simple (Kafka Connect's default), string, json, or the class of a converter.",
  },
  'header.converter.schemas.enable': {
    type: 'boolean',
    default: true,
    doc: 'As key.converter.schemas.enable.',
  },
  'extended.headers.enabled': {
    type: 'boolean',
    default: false,
    doc: 'Headers __debezium.context.*: topic.prefix, connector, task and run.',
  },
  'topic.prefix': {
    type: 'string',
    default: 'fairlead',
    pattern: /^[a-zA-Z0-9._-]+$/,
    doc: 'Begins the names of schemas, and of the topics of captured tables.',
  },
  'decimal.handling.mode': {
    type: 'enum',
    values: ['precise', 'double', 'string'],
    default: 'precise',
    doc: 'A numeric as exact bytes, as a double, or as text.',
  },
  'time.precision.mode': {
    type: 'enum',
    values: ['adaptive', 'adaptive_time_microseconds', 'connect', 'microseconds', 'nanoseconds'],
    default: 'adaptive',
    doc: 'Dates and times without a zone: by the precision of the column, in milliseconds (connect), or fixed.',
  },
  'binary.handling.mode': {
    type: 'enum',
    values: ['bytes', 'base64', 'base64-url-safe', 'hex'],
    default: 'bytes',
    doc: 'A bytea as bytes, or as text.',
  },
  'interval.handling.mode': {
    type: 'enum',
    values: ['numeric', 'string'],
    default: 'numeric',
    doc: 'An interval in microseconds, or as ISO 8601 text.',
  },
  'hstore.handling.mode': {
    type: 'enum',
    values: ['json', 'map'],
    default: 'json',
    doc: 'An hstore as JSON text, or as a map.',
  },
  'money.fraction.digits': {
    type: 'int',
    default: 2,
    min: 0,
    max: 10,
    doc: 'Digits behind the point of a money value.',
  },
  'unavailable.value.placeholder': {
    type: 'string',
    default: '__debezium_unavailable_value',
    doc: 'Stands for a large value that an update did not change: Postgres does not send it.',
  },
})
