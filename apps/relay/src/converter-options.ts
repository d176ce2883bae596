import type { Converter, Converters, ValueOptions } from '@fairlead/cdc'
import { nearestName } from '@fairlead/base'
import { type ConfigOf, type RegistryCredentials, registryCredentials } from '@fairlead/service'
import type { RELAY_CONFIG } from './config.ts'

type RelayConfig = ConfigOf<typeof RELAY_CONFIG>

/** Classes of Kafka Connect and Debezium by the short name of what they write. */
const CLASSES: Readonly<Record<string, string>> = {
  'org.apache.kafka.connect.storage.StringConverter': 'string',
  'org.apache.kafka.connect.json.JsonConverter': 'json',
  'org.apache.kafka.connect.converters.ByteArrayConverter': 'bytes',
  'io.debezium.converters.ByteArrayConverter': 'bytes',
  'io.debezium.converters.ByteBufferConverter': 'bytes',
  'io.debezium.converters.BinaryDataConverter': 'bytes',
  'org.apache.kafka.connect.storage.SimpleHeaderConverter': 'simple',
  'io.confluent.connect.avro.AvroConverter': 'avro',
}
const NAMES: readonly string[] = ['raw', 'string', 'json', 'bytes', 'avro', 'simple']

/** @throws {Error} that names the key of a converter that there is not. */
export function converters(config: RelayConfig): Converters {
  const delegateName = config['value.converter.delegate.converter.type']
  const delegate =
    delegateName === ''
      ? null
      : converter('value.converter.delegate.converter.type', delegateName, {
          hasSchemas: config['value.converter.delegate.converter.type.schemas.enable'],
          delegate: null,
        })
  return {
    key: converter('key.converter', config['key.converter'], {
      hasSchemas: config['key.converter.schemas.enable'],
      delegate: null,
    }),
    value: converter('value.converter', config['value.converter'], {
      hasSchemas: config['value.converter.schemas.enable'],
      delegate,
    }),
    header: converter('header.converter', config['header.converter'], {
      hasSchemas: config['header.converter.schemas.enable'],
      delegate: null,
    }),
  }
}

function converter(
  key: string,
  name: string,
  options: { readonly hasSchemas: boolean; readonly delegate: Converter | null },
): Converter {
  const kind = CLASSES[name] ?? name
  switch (kind) {
    case 'raw':
    case 'string':
    case 'simple':
    case 'avro':
      return { kind }
    case 'json':
      return { kind, hasSchemas: options.hasSchemas }
    case 'bytes':
      return { kind, delegate: options.delegate }
    default: {
      const nearest = nearestName(name, [...NAMES, ...Object.keys(CLASSES)])
      const hint = nearest === undefined ? `one of ${NAMES.join(', ')}` : `did you mean ${nearest}?`
      throw new Error(`${key} has "${name}", which is no converter here: ${hint}`)
    }
  }
}

export type RegistryOptions = {
  /** Empty when no record needs one. */
  readonly urls: readonly string[]
  readonly credentials: RegistryCredentials
  readonly cacheTtlMs: number
  /** Type of the schemas that payloads are encoded by; any of them when undefined. */
  readonly schemaType: string | undefined
  readonly messageName: string | undefined
}

const SCHEMA_TYPES: Readonly<Record<string, string>> = {
  avro: 'AVRO',
  'json-schema': 'JSON',
  protobuf: 'PROTOBUF',
}

export function registryOptions(config: RelayConfig): RegistryOptions {
  const own = config['schema.registry.url']
  const ofConverters = [
    ...config['value.converter.schema.registry.url'],
    ...config['key.converter.schema.registry.url'],
  ]
  return {
    urls: own.length > 0 ? own : [...new Set(ofConverters)],
    credentials: registryCredentials(config),
    cacheTtlMs: config['schema.registry.cache.ttl.ms'],
    schemaType: SCHEMA_TYPES[config['value.format']],
    messageName: config['value.message'] === '' ? undefined : config['value.message'],
  }
}

export function valueOptions(config: RelayConfig): ValueOptions {
  return {
    decimals: config['decimal.handling.mode'],
    times: config['time.precision.mode'],
    binary: config['binary.handling.mode'],
    intervals: config['interval.handling.mode'],
    hstore: config['hstore.handling.mode'],
    moneyFractionDigits: config['money.fraction.digits'],
    unavailablePlaceholder: config['unavailable.value.placeholder'],
  }
}
