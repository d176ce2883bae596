import { DecodeError, InvariantViolation, invariant } from '@fairlead/base'
import { codeOfError, errorOfCode } from '../error-codes.ts'
import type { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter, isAscii, utf8 } from '../wire/byte-writer.ts'
import { UUID_BYTES, ZERO_UUID } from '../wire/uuid.ts'
import type { Decoded, Encodable, Field, Fields, Primitive } from './field.ts'
import { includesVersion } from './versions.ts'

/** Reads and writes one struct in one version. */
export type Codec<S extends Fields> = {
  /** What it decodes has views of the bytes that it reads. */
  readonly hasViews: boolean
  decode(reader: ByteReader): Decoded<S>
  encode(writer: ByteWriter, value: Encodable<S>): void
}

type Struct = Record<string, unknown>
type Decode = (reader: ByteReader) => unknown
type Encode = (writer: ByteWriter, value: unknown) => void
type ValueCodec = {
  readonly decode: Decode
  readonly encode: Encode
  /** No value is encoded in fewer bytes. */
  readonly bytesMin: number
  readonly hasViews: boolean
}

/** What a codec is compiled for. */
export type Form = {
  readonly version: number
  /** Compact lengths and tagged fields (KIP-482). */
  readonly isFlexible: boolean
}

type PlainField = ValueCodec & { readonly name: string; readonly absent: unknown }
type TaggedField = PlainField & { readonly tag: number }

/**
 * Compiles the codec of a struct for one version: the decisions that depend on the version are made
 * here, once, and not per message.
 */
export function compileCodec<S extends Fields>(fields: S, form: Form): Codec<S> {
  const codec = structCodec(fields, form)
  return {
    hasViews: codec.hasViews,
    decode: (reader) => codec.decode(reader) as Decoded<S>,
    encode: codec.encode,
  }
}

function structCodec(fields: Fields, form: Form): ValueCodec {
  const defaults: Struct = {}
  const plain: PlainField[] = []
  const tagged: TaggedField[] = []
  for (const [name, field] of Object.entries(fields)) {
    const absent = defaultOf(field)
    defaults[name] = absent
    if (!includesVersion(field.versions, form.version)) continue
    const compiled = { name, absent, ...fieldCodec(field, form) }
    if (field.tag === undefined) plain.push(compiled)
    else tagged.push({ ...compiled, tag: field.tag })
  }
  tagged.sort((left, right) => left.tag - right.tag)
  invariant(form.isFlexible || tagged.length === 0, 'only flexible versions have tagged fields')
  const tagCountBytes = form.isFlexible ? 1 : 0
  return {
    bytesMin: plain.reduce((sum, { bytesMin }) => sum + bytesMin, tagCountBytes),
    hasViews: [...plain, ...tagged].some(({ hasViews }) => hasViews),
    decode(reader) {
      const value: Struct = { ...defaults }
      for (const field of plain) value[field.name] = field.decode(reader)
      if (form.isFlexible) decodeTaggedFields(reader, tagged, value)
      return value
    },
    encode(writer, value) {
      const struct = value as Struct
      for (const { name, absent, encode } of plain) {
        const given = struct[name]
        encode(writer, given === undefined ? absent : given)
      }
      if (form.isFlexible) encodeTaggedFields(writer, tagged, struct)
    },
  }
}

/** Kafka writes tags in ascending order, and rejects messages where they are not. */
function decodeTaggedFields(reader: ByteReader, known: readonly TaggedField[], into: Struct): void {
  const count = reader.uvarint()
  let previousTag = -1
  for (let index = 0; index < count; index += 1) {
    const start = reader.position
    const tag = reader.uvarint()
    if (tag <= previousTag) throw new DecodeError(`tag ${tag} follows tag ${previousTag}`, start)
    previousTag = tag
    const sizeBytes = reader.uvarint()
    const end = reader.position + sizeBytes
    const field = known.find((candidate) => candidate.tag === tag)
    if (field === undefined) {
      reader.skip(sizeBytes)
      continue
    }
    if (sizeBytes > reader.remaining) throw new DecodeError(`tag ${tag} passes the end`, start)
    into[field.name] = field.decode(reader)
    if (reader.position !== end) throw new DecodeError(`tag ${tag} has another size`, start)
  }
}

function encodeTaggedFields(
  writer: ByteWriter,
  fields: readonly TaggedField[],
  struct: Struct,
): void {
  let presentCount = 0
  for (const field of fields) if (isPresent(field, struct)) presentCount += 1
  writer.uvarint(presentCount)
  if (presentCount === 0) return
  for (const field of fields) {
    if (!isPresent(field, struct)) continue
    const content = new ByteWriter()
    field.encode(content, struct[field.name])
    writer.uvarint(field.tag)
    writer.uvarint(content.sizeBytes)
    for (const chunk of content.finish()) writer.bytes(chunk)
  }
}

function isPresent({ name, absent }: TaggedField, struct: Struct): boolean {
  const value = struct[name]
  return value !== undefined && !isSame(value, absent)
}

/** A tagged field is left out when it has its default; the default of an array is empty or null. */
function isSame(value: unknown, absent: unknown): boolean {
  if (value === absent) return true
  if (typeof value !== 'object' || value === null || typeof absent !== 'object') return false
  if (Array.isArray(value)) return Array.isArray(absent) && value.length === 0
  return Object.entries(absent ?? {}).every(([name, initial]) => {
    const inner = (value as Struct)[name]
    return inner === undefined || isSame(inner, initial)
  })
}

function fieldCodec(field: Field, form: Form): ValueCodec {
  const isNullable = field.nullable !== undefined && includesVersion(field.nullable, form.version)
  if ('type' in field) return primitiveCodec(field.type, form, isNullable)
  if ('struct' in field) return nestedCodec(structCodec(field.struct, form), isNullable)
  const element =
    typeof field.array === 'string'
      ? primitiveCodec(field.array, form, false)
      : structCodec(field.array, form)
  return arrayCodec(element, form, isNullable)
}

function nestedCodec(codec: ValueCodec, isNullable: boolean): ValueCodec {
  if (!isNullable) return codec
  return {
    bytesMin: 1,
    hasViews: codec.hasViews,
    decode: (reader) => (reader.int8() < 0 ? null : codec.decode(reader)),
    encode: (writer, value) => {
      writer.int8(value === null ? -1 : 1)
      if (value !== null) codec.encode(writer, value)
    },
  }
}

function arrayCodec(element: ValueCodec, form: Form, isNullable: boolean): ValueCodec {
  const length = lengthCodec(form, 'int32', isNullable)
  // An empty struct takes no bytes, and is counted as if it did.
  const elementBytesMin = Math.max(1, element.bytesMin)
  return {
    bytesMin: length.bytesMin,
    hasViews: element.hasViews,
    decode(reader) {
      const count = length.decode(reader)
      if (count === null) return null
      reader.countElements(count, elementBytesMin)
      const values: unknown[] = []
      for (let index = 0; index < count; index += 1) values.push(element.decode(reader))
      return values
    },
    encode(writer, value) {
      const values = value as readonly unknown[] | null
      length.encode(writer, values === null ? null : values.length)
      for (const item of values ?? []) element.encode(writer, item)
    },
  }
}

function primitiveCodec(type: Primitive, form: Form, isNullable: boolean): ValueCodec {
  switch (type) {
    case 'bool':
      return {
        bytesMin: 1,
        hasViews: false,
        decode: (reader) => reader.boolean(),
        encode: (writer, value) => writer.boolean(value as boolean),
      }
    case 'int8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'int64':
    case 'float64':
      return {
        bytesMin: NUMBER_BYTES[type],
        hasViews: false,
        decode: (reader) => reader[type](),
        encode: (writer, value) => writer[type](value as number),
      }
    case 'errorCode':
      return {
        bytesMin: 2,
        hasViews: false,
        decode: (reader) => errorOfCode(reader.int16()),
        encode: (writer, value) =>
          writer.int16(codeOfError(value as Parameters<typeof codeOfError>[0])),
      }
    case 'uuid':
      return {
        bytesMin: UUID_BYTES,
        hasViews: false,
        decode: (reader) => reader.uuid(),
        encode: (writer, value) => writer.uuid(value as string),
      }
    case 'string':
      return stringCodec(lengthCodec(form, 'int16', isNullable))
    case 'bytes':
    case 'records':
      return bytesCodec(lengthCodec(form, 'int32', isNullable))
  }
}

function stringCodec(length: LengthCodec): ValueCodec {
  return {
    bytesMin: length.bytesMin,
    hasViews: false,
    decode(reader) {
      const sizeBytes = length.decode(reader)
      return sizeBytes === null ? null : reader.text(sizeBytes)
    },
    encode(writer, value) {
      if (value === null) {
        length.encode(writer, null)
        return
      }
      const text = value as string
      if (isAscii(text)) {
        length.encode(writer, text.length)
        writer.ascii(text)
        return
      }
      const bytes = utf8(text)
      length.encode(writer, bytes.length)
      writer.bytes(bytes)
    },
  }
}

function bytesCodec(length: LengthCodec): ValueCodec {
  return {
    bytesMin: length.bytesMin,
    hasViews: true,
    decode(reader) {
      const sizeBytes = length.decode(reader)
      return sizeBytes === null ? null : reader.bytes(sizeBytes)
    },
    encode(writer, value) {
      const given = value as Uint8Array | readonly Uint8Array[] | null
      if (given === null) {
        length.encode(writer, null)
      } else if (given instanceof Uint8Array) {
        length.encode(writer, given.length)
        writer.bytes(given)
      } else {
        let sizeBytes = 0
        for (const chunk of given) sizeBytes += chunk.length
        length.encode(writer, sizeBytes)
        for (const chunk of given) writer.bytes(chunk)
      }
    },
  }
}

type LengthCodec = {
  readonly bytesMin: number
  decode(reader: ByteReader): number | null
  encode(writer: ByteWriter, length: number | null): void
}

/**
 * The longest string, compact or not, as in Kafka: what a flexible request brings must fit a response
 * or a stored record of a version that is not flexible.
 */
const STRING_BYTES_MAX = 0x7fff
const INT32_MAX = 0x7fff_ffff
const NUMBER_BYTES = { int8: 1, int16: 2, uint16: 2, int32: 4, int64: 8, float64: 8 } as const

/** A length: int16 or int32 with -1 for null, or compact (an unsigned varint of length + 1). */
function lengthCodec(
  { isFlexible: isCompact }: Form,
  plain: 'int16' | 'int32',
  isNullable: boolean,
): LengthCodec {
  const lengthMax = plain === 'int16' ? STRING_BYTES_MAX : INT32_MAX
  return {
    bytesMin: isCompact ? 1 : NUMBER_BYTES[plain],
    decode(reader) {
      const start = reader.position
      const length = isCompact ? reader.uvarint() - 1 : reader[plain]()
      if (length > lengthMax) throw new DecodeError(`length ${length} exceeds ${lengthMax}`, start)
      if (length >= 0) return length
      if (length === -1 && isNullable) return null
      throw new DecodeError(`length ${length} where null is not allowed`, start)
    },
    encode(writer, length) {
      // Versions that cannot say null say empty, as Kafka's brokers do.
      const written = length ?? (isNullable ? -1 : 0)
      if (written > lengthMax) {
        throw new InvariantViolation(`length ${written} exceeds ${lengthMax}`)
      }
      if (isCompact) writer.uvarint(written + 1)
      else writer[plain](written)
    },
  }
}

function defaultOf(field: Field): unknown {
  if (field.default !== undefined) return field.default
  if ('array' in field) return EMPTY_ARRAY
  if ('struct' in field) return Object.freeze(defaultsOf(field.struct))
  return PRIMITIVE_DEFAULTS[field.type]
}

function defaultsOf(fields: Fields): Struct {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, defaultOf(field)]))
}

const EMPTY_ARRAY: readonly unknown[] = Object.freeze([])
const PRIMITIVE_DEFAULTS: Readonly<Record<Primitive, unknown>> = {
  bool: false,
  int8: 0,
  int16: 0,
  uint16: 0,
  int32: 0,
  int64: 0,
  float64: 0,
  uuid: ZERO_UUID,
  string: '',
  bytes: new Uint8Array(),
  records: new Uint8Array(),
  errorCode: 'NONE',
}
