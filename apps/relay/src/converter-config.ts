import { defineConfig } from '@fairlead/service'

/** How keys, values and headers become bytes, and columns become values: names of Kafka Connect and Debezium. */
export const CONVERTER_CONFIG = defineConfig({
  'key.converter': {
    type: 'string',
    default: 'raw',
    doc: 'raw (bytes of a bytea, text of anything else), string, json, bytes, or the class of a Kafka Connect converter.',
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
