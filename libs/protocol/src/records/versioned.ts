import { DecodeError, invariant } from '@fairlead/base'
import { type Codec, compileCodec } from '../schema/codec.ts'
import type { Decoded, Encodable, Fields } from '../schema/field.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'

/** A record of an internal topic: keys and values are described as messages are. */
export type VersionedSchema<S extends Fields = Fields> = {
  readonly versions: readonly [first: number, last: number]
  /** First flexible version; absent when none is. */
  readonly flexible?: number
  readonly fields: S
}

/** An int16 version, then the struct: the form of keys and values in `__consumer_offsets`. */
export function encodeVersioned<S extends Fields>(
  schema: VersionedSchema<S>,
  version: number,
  value: Encodable<S>,
): Uint8Array {
  const writer = new ByteWriter()
  writer.int16(version)
  structCodec(schema, version).encode(writer, value)
  return joined(writer)
}

/**
 * Reads what `encodeVersioned` writes.
 *
 * @throws {DecodeError} for a version that the schema does not have, and for malformed bytes.
 */
export function decodeVersioned<S extends Fields>(
  schema: VersionedSchema<S>,
  bytes: Uint8Array,
): { readonly version: number; readonly value: Decoded<S> } {
  const reader = new ByteReader(bytes)
  const version = reader.int16()
  refuseUnknownVersion(schema, version)
  return { version, value: structCodec(schema, version).decode(reader) }
}

/** The version in front of a versioned key or value. @throws {DecodeError} when there is none. */
export function versionOf(bytes: Uint8Array): number {
  return new ByteReader(bytes).int16()
}

export function refuseUnknownVersion(schema: VersionedSchema, version: number): void {
  const [first, last] = schema.versions
  if (version < first || version > last) {
    throw new DecodeError(`version ${version} is not one of ${first} to ${last}`, 0)
  }
}

const codecs = new WeakMap<VersionedSchema, Codec<Fields>[]>()

/** Compiled once for each schema and version. `version` must be one of the schema's. */
export function structCodec<S extends Fields>(
  schema: VersionedSchema<S>,
  version: number,
): Codec<S> {
  const byVersion = codecs.get(schema) ?? []
  codecs.set(schema, byVersion)
  const known = byVersion[version]
  if (known !== undefined) return known as Codec<S>
  const [first, last] = schema.versions
  invariant(version >= first && version <= last, () => `version ${version} is described`)
  const isFlexible = schema.flexible !== undefined && version >= schema.flexible
  const codec = compileCodec(schema.fields, { version, isFlexible })
  byVersion[version] = codec
  return codec
}

/** Records are small: one chunk is simpler to keep than a list. */
export function joined(writer: ByteWriter): Uint8Array {
  const bytes = new Uint8Array(writer.sizeBytes)
  let position = 0
  for (const chunk of writer.finish()) {
    bytes.set(chunk, position)
    position += chunk.length
  }
  return bytes
}
