import { parseSchema } from '@fairlead/avro'
import { DatumDecoder } from './datum/datum-decoder.ts'
import { DatumEncoder } from './datum/datum-encoder.ts'

/**
 * Encodes values of a schema that is at hand, with no registry and no prefix: for tests.
 *
 * @throws {SchemaError} when it is none.
 */
export function avroEncoderOf(schema: string): {
  /** @throws {EncodeError} */
  encode(value: unknown): Uint8Array
} {
  return new DatumEncoder(parseSchema(schema, { mode: 'lenient' }).root)
}

/**
 * Decodes what {@link avroEncoderOf} wrote, and resolves it to the reader's schema.
 *
 * @throws {SchemaError}; {DecodeError} when the reader cannot read what the writer writes.
 */
export function avroDecoderOf(
  writer: string,
  reader: string,
): {
  /** @throws {DecodeError} */
  decode(bytes: Uint8Array): unknown
} {
  const { root } = parseSchema(writer, { mode: 'lenient' })
  const isWriters = reader === writer
  return new DatumDecoder(root, isWriters ? root : parseSchema(reader, { mode: 'lenient' }).root)
}
