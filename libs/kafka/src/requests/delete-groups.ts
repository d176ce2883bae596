import { type Exchange, exchangeOf } from './exchange.ts'

/** DeleteGroups (key 42), version 2, of one group: its error code; undefined where it is not answered for. */
export function deleteGroupExchange(groupId: string): Exchange<number | undefined> {
  return exchangeOf(
    { key: 42, version: 2 },
    {
      encode: (writer) => {
        writer.array([groupId], (id) => writer.string(id)).tags()
      },
      decode: (reader) => {
        reader.int32()
        return reader.array(() =>
          reader.struct(() => {
            reader.string()
            return reader.int16()
          }),
        )[0]
      },
    },
  )
}
