import { DecodeError } from '@fairlead/base'
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
    let place = ''
    try {
      for (const { name, convert } of members) {
        place = name
        value[name] = convert(value[name])
      }
    } catch (error) {
      throw within(`.${place}`, error)
    }
    return value
  }
}

function renamedConvert(reader: RecordSchema, members: readonly Member[]): Convert {
  return (record) => {
    const value: Record<string, Datum> = {}
    for (const { name } of reader.fields) {
      const read = (record as Readonly<Record<string, unknown>>)[safeName(name)]
      const member = members.find((candidate) => candidate.name === name)
      setMember(value, name, member === undefined ? read : convertWithin(`.${name}`, member, read))
    }
    return value
  }
}

export function itemsConvert(convert: Convert): Convert {
  if (convert === undefined) return undefined
  return (items) => {
    const values: Datum[] = []
    try {
      for (const item of items as readonly unknown[]) values.push(convert(item))
    } catch (error) {
      throw within(`[${values.length}]`, error)
    }
    return values
  }
}

/** What avsc reads a map as. */
type Entry = { readonly key: string; readonly value: unknown }

/** An entry is named by its place, as its key may be a person's and errors end up in logs. */
export function entriesConvert(convert: Convert): Convert {
  return (entries) => {
    const map: Record<string, Datum> = {}
    for (const [index, { key, value }] of (entries as readonly Entry[]).entries()) {
      const converted =
        convert === undefined ? value : convertWithin(`[${index}]`, { convert }, value)
      setMember(map, key, converted)
    }
    return map
  }
}

function convertWithin(place: string, { convert }: Pick<Member, 'convert'>, value: unknown): Datum {
  try {
    return convert(value)
  } catch (error) {
    throw within(place, error)
  }
}

/** Who looks for the value among thousands needs its place. */
function within(place: string, error: unknown): unknown {
  return error instanceof DecodeError ? error.within(place) : error
}

export function primitiveConvert(reader: AvroSchema): Convert {
  if (reader.kind === 'bytes') return bytesOf
  const long = longDatum(reader)
  return long === undefined ? undefined : (value) => long(value as bigint)
}

/** What an integer is as a float or a double, rounded where that has fewer digits; else undefined. */
export function numberConvert(writer: AvroSchema['kind'], reader: AvroSchema['kind']): Convert {
  if (writer === 'long' && reader === 'double') return Number
  if (reader !== 'float') return undefined
  if (writer === 'int') return (value) => Math.fround(value as number)
  return writer === 'long' ? (value) => floatOf(value as bigint) : undefined
}

/** A double loses as many bits of a long. */
const BITS_LOST = 11n

/**
 * As Java's `(float)`, which rounds once. A double in between would make a tie of what is next to one: of the bits
 * that it has no room for, it gets whether there is a 1 among them.
 */
function floatOf(long: bigint): number {
  const double = Number(long)
  if (Number.isSafeInteger(double)) return Math.fround(double)
  const kept = long >> BITS_LOST
  const isExact = kept << BITS_LOST === long
  return Math.fround(Number((isExact ? kept : kept | 1n) << BITS_LOST))
}

/** Out of avsc's pool of bytes. */
export function bytesOf(bytes: unknown): Uint8Array {
  return new Uint8Array(bytes as Buffer)
}
