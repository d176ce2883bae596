import { DecodeError, errorMessage } from '@fairlead/base'
import type { AvroSchema, Datum } from '@fairlead/avro'
import type { Resolver, Type } from 'avsc'
import { avscTypeOf } from './avsc-types.ts'
import type { Convert } from './convert.ts'
import { faultIn } from './fault.ts'
import { Resolution } from './resolution.ts'

/**
 * Decodes what `writer` wrote into values of `reader` (Avro 1.12, "Schema Resolution"), with the rules
 * of `incompatibilities`: what the registry accepts can be decoded. The bytes are avsc's work.
 */
export class DatumDecoder {
  readonly #writer: AvroSchema
  readonly #type: Type
  readonly #resolver: Resolver | undefined
  readonly #convert: Convert

  /** @throws {DecodeError} when the reader cannot read what the writer writes. */
  constructor(writer: AvroSchema, reader: AvroSchema = writer) {
    this.#writer = writer
    const resolved = new Resolution().resolve(writer, reader)
    this.#type = avscTypeOf(resolved.reader)
    this.#convert = resolved.convert
    this.#resolver =
      writer === reader ? undefined : resolverOf(this.#type, avscTypeOf(resolved.writer))
  }

  /**
   * Decodes what is from `position` to `end`.
   *
   * @throws {DecodeError}
   */
  decode(bytes: Uint8Array, position: number = 0, end: number = bytes.length): Datum {
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let isRead = false
    try {
      const { value, offset } = this.#type.decode(buffer, position, this.#resolver)
      // Of what is behind the end nothing stays in a value that ends before it.
      if (offset < 0 || offset > end) throw new DecodeError('the bytes end within a value', end)
      if (offset < end) {
        throw new DecodeError('bytes are left over behind the value', offset)
      }
      isRead = true
      return this.#convert === undefined ? value : this.#convert(value)
    } catch (error) {
      // What has no value here knows its place in the whole, and not in the bytes.
      if (isRead && error instanceof DecodeError) throw error.within('', position)
      const fault = isRead ? undefined : faultIn(bytes, { writer: this.#writer, position, end })
      throw fault ?? decodeErrorOf(error, position)
    }
  }
}

/** What is left that avsc refuses: two fields of a reader that read one record as two of theirs. */
function resolverOf(reader: Type, writer: Type): Resolver {
  try {
    return reader.createResolver(writer)
  } catch (error) {
    throw new DecodeError(`the schemas do not resolve: ${errorMessage(error)}`, 0)
  }
}

/** avsc fails in many ways over bytes that may be anything; none of them tells the position. */
function decodeErrorOf(error: unknown, position: number): DecodeError {
  if (error instanceof DecodeError) return error
  // Recursive types nest as deep as the bytes say.
  if (error instanceof RangeError) return new DecodeError('values nest too deep', position)
  return new DecodeError(errorMessage(error), position)
}
