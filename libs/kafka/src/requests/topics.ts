import type { ByteReader } from '../byte-reader.ts'
import { type Exchange, exchangeOf } from './exchange.ts'

/** What became of one topic. */
export type TopicOutcome = {
  readonly name: string
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** CreateTopics (key 19), version 7. Replicas are placed by the controller. */
export function createTopicsExchange(request: {
  readonly topics: readonly {
    readonly name: string
    readonly numPartitions: number
    /** -1: the default of the brokers. */
    readonly replicationFactor: number
    readonly configs: Readonly<Record<string, string>>
  }[]
  readonly timeoutMs: number
  readonly validateOnly: boolean
}): Exchange<readonly TopicOutcome[]> {
  return exchangeOf(
    { key: 19, version: 7 },
    {
      encode: (writer) => {
        writer.array(request.topics, ({ name, numPartitions, replicationFactor, configs }) => {
          writer.string(name).int32(numPartitions).int16(replicationFactor)
          writer.array([], () => undefined)
          writer.array(Object.entries(configs), ([key, value]) =>
            writer.string(key).nullableString(value).tags(),
          )
          writer.tags()
        })
        writer.int32(request.timeoutMs).boolean(request.validateOnly).tags()
      },
      decode: (reader) => {
        reader.int32()
        return reader.array(() => reader.struct(() => decodeCreated(reader)))
      },
    },
  )
}

function decodeCreated(reader: ByteReader): TopicOutcome {
  const name = reader.string()
  reader.uuid()
  const errorCode = reader.int16()
  const errorMessage = reader.nullableString()
  reader.int32()
  reader.int16()
  reader.array(() =>
    reader.struct(() => {
      reader.string()
      reader.nullableString()
      reader.boolean()
      reader.int8()
      reader.boolean()
    }),
  )
  return { name, errorCode, errorMessage }
}

/** DeleteTopics (key 20), version 6, by name. */
export function deleteTopicsExchange(request: {
  readonly topics: readonly string[]
  readonly timeoutMs: number
}): Exchange<readonly TopicOutcome[]> {
  return exchangeOf(
    { key: 20, version: 6 },
    {
      encode: (writer) => {
        writer.array(request.topics, (name) => writer.nullableString(name).uuid(undefined).tags())
        writer.int32(request.timeoutMs).tags()
      },
      decode: (reader) => {
        reader.int32()
        return reader.array(() =>
          reader.struct(() => {
            const name = reader.string()
            reader.uuid()
            return { name, errorCode: reader.int16(), errorMessage: reader.nullableString() }
          }),
        )
      },
    },
  )
}
