import { DecodeError } from '@fairlead/base'

const MAGIC = 0
/** Magic byte and schema id. */
export const WIRE_PREFIX_BYTES = 5

/** Confluent's wire format: byte 0, schema id as int32, payload. */
export function withWirePrefix(schemaId: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(WIRE_PREFIX_BYTES + payload.length)
  bytes[0] = MAGIC
  new DataView(bytes.buffer).setInt32(1, schemaId)
  bytes.set(payload, WIRE_PREFIX_BYTES)
  return bytes
}

/**
 * The schema id of a payload that starts at {@link WIRE_PREFIX_BYTES}.
 *
 * @throws {DecodeError} when the bytes do not start with the prefix.
 */
export function schemaIdOf(bytes: Uint8Array): number {
  if (bytes.length < WIRE_PREFIX_BYTES) {
    throw new DecodeError(`${bytes.length} bytes are too few for a schema id`, bytes.length)
  }
  if (bytes[0] !== MAGIC) throw new DecodeError(`unknown magic byte ${bytes[0]}`, 0)
  // A view would cost more than the four bytes; all are there.
  return (
    ((bytes[1] as number) << 24) |
    ((bytes[2] as number) << 16) |
    ((bytes[3] as number) << 8) |
    (bytes[4] as number)
  )
}
