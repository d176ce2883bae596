import {
  type AvroSchema,
  type Datum,
  type RecordSchema,
  longDatum,
  setMember,
} from '@fairlead/avro'
import { safeName } from './safe-name.ts'

/** Turns what avsc read into the value that callers see; undefined when it is that already. */
export type Convert = ((value: unknown) => Datum) | undefined

export type Member = { readonly name: string; readonly convert: NonNullable<Convert> }

/** `members` may still be growing when the record is first used inside itself. */
export function recordConvert(reader: RecordSchema, members: readonly Member[]): Convert {
  const isRenamed = reader.fields.some(({ name }) => safeName(name) !== name)
  if (isRenamed) return renamedConvert(reader, members)
  return (record) => {
    const value = { ...(record as Record<string, unknown>) }
    for (const { name, convert } of members) value[name] = convert(value[name])
    return value
  }
}

function renamedConvert(reader: RecordSchema, members: readonly Member[]): Convert {
  return (record) => {
    const value: Record<string, Datum> = {}
    for (const { name } of reader.fields) {
      const read = (record as Readonly<Record<string, unknown>>)[safeName(name)]
      const member = members.find((candidate) => candidate.name === name)
      setMember(value, name, member === undefined ? read : member.convert(read))
    }
    return value
  }
}

export function itemsConvert(convert: Convert): Convert {
  if (convert === undefined) return undefined
  return (items) => (items as unknown[]).map(convert)
}

export function primitiveConvert(reader: AvroSchema): Convert {
  if (reader.kind === 'bytes') return bytesOf
  const long = longDatum(reader)
  return long === undefined ? undefined : (value) => long(value as bigint)
}

/** Out of avsc's pool of bytes. */
export function bytesOf(bytes: unknown): Uint8Array {
  return new Uint8Array(bytes as Buffer)
}
