import { type Exchange, exchangeOf } from './exchange.ts'

/** `CoordinatorType` of the protocol. */
const KEY_TYPES = { group: 0, transaction: 1 } as const

/** Whose coordinator: of a consumer group, or of a transactional id. */
export type CoordinatorKey = { readonly type: keyof typeof KEY_TYPES; readonly key: string }

type CoordinatorAnswer = {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** FindCoordinator (key 10), version 4, of one key. Undefined where the broker names none. */
export function findCoordinatorExchange({
  type,
  key,
}: CoordinatorKey): Exchange<CoordinatorAnswer | undefined> {
  return exchangeOf(
    { key: 10, version: 4 },
    {
      encode: (writer) => {
        writer.int8(KEY_TYPES[type])
        writer.array([key], (one) => writer.string(one)).tags()
      },
      decode: (reader) => {
        reader.int32()
        const [coordinator] = reader.array(() =>
          reader.struct(() => {
            reader.string()
            return {
              nodeId: reader.int32(),
              host: reader.string(),
              port: reader.int32(),
              errorCode: reader.int16(),
              errorMessage: reader.nullableString(),
            }
          }),
        )
        return coordinator
      },
    },
  )
}
