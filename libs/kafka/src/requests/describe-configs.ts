import type { ByteReader } from '../byte-reader.ts'
import { type Exchange, exchangeOf } from './exchange.ts'

type DescribedConfig = {
  readonly name: string
  readonly value: string | null
  readonly isReadOnly: boolean
  /** Kafka's `ConfigEntry.ConfigSource`, by its number. */
  readonly source: number
  readonly isSensitive: boolean
  readonly documentation: string | null
}

type DescribedResource = {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly configs: readonly DescribedConfig[]
}

/** DescribeConfigs (key 32), version 4, of all keys of one resource; undefined where it is not answered for. */
export function describeConfigsExchange(request: {
  /** Kafka's `ConfigResource.Type`. */
  readonly resourceType: number
  readonly resourceName: string
  readonly withDocumentation: boolean
}): Exchange<DescribedResource | undefined> {
  return exchangeOf(
    { key: 32, version: 4 },
    {
      encode: (writer) => {
        writer.array([request], ({ resourceType, resourceName }) =>
          writer.int8(resourceType).string(resourceName).nullArray().tags(),
        )
        writer.boolean(false).boolean(request.withDocumentation).tags()
      },
      decode: (reader) => {
        reader.int32()
        return reader.array(() => reader.struct(() => decodeResource(reader)))[0]
      },
    },
  )
}

function decodeResource(reader: ByteReader): DescribedResource {
  const errorCode = reader.int16()
  const errorMessage = reader.nullableString()
  reader.int8()
  reader.string()
  const configs = reader.array(() => reader.struct(() => decodeConfig(reader)))
  return { errorCode, errorMessage, configs }
}

function decodeConfig(reader: ByteReader): DescribedConfig {
  const config = {
    name: reader.string(),
    value: reader.nullableString(),
    isReadOnly: reader.boolean(),
    source: reader.int8(),
    isSensitive: reader.boolean(),
  }
  reader.array(() =>
    reader.struct(() => {
      reader.string()
      reader.nullableString()
      reader.int8()
    }),
  )
  reader.int8()
  return { ...config, documentation: reader.nullableString() }
}
