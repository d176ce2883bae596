import type { ByteReader } from '../byte-reader.ts'
import { type Exchange, exchangeOf } from './exchange.ts'

export type DescribedGroup = {
  readonly errorCode: number
  /** What each member was assigned last. */
  readonly assignments: readonly Uint8Array[]
}

/** Id, state, type of protocol, protocol. */
const GROUP_STRINGS = 4
/** Id, instance id, client id, host. */
const MEMBER_STRINGS = 4

/** DescribeGroups (key 15), version 5, of one group; undefined where the broker does not answer for it. */
export function describeGroupExchange(groupId: string): Exchange<DescribedGroup | undefined> {
  return exchangeOf(
    { key: 15, version: 5 },
    {
      encode: (writer) => {
        writer.array([groupId], (id) => writer.string(id))
        writer.boolean(false).tags()
      },
      decode: (reader) => {
        reader.int32()
        const [group] = reader.array(() =>
          reader.struct(() => {
            const errorCode = reader.int16()
            skipStrings(reader, GROUP_STRINGS)
            const assignments = reader.array(() =>
              reader.struct(() => {
                skipStrings(reader, MEMBER_STRINGS)
                reader.bytesOrNone()
                return reader.bytesOrNone()
              }),
            )
            reader.int32()
            return { errorCode, assignments }
          }),
        )
        return group
      },
    },
  )
}

function skipStrings(reader: ByteReader, count: number): void {
  for (let index = 0; index < count; index += 1) reader.nullableString()
}
