import { DecodeError } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'

/** Head of our own binary files: magic uint32 · version uint32 · CRC32C uint32 of what follows. */
export type EnvelopeFormat = { readonly magic: number; readonly version: number }

const HEAD_BYTES = 12

export function sealEnvelope(
  format: EnvelopeFormat,
  bodyBytes: number,
  crc32c: Crc32c,
  writeBody: (view: DataView) => void,
): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + bodyBytes)
  writeBody(new DataView(bytes.buffer, HEAD_BYTES))
  const head = new DataView(bytes.buffer, 0, HEAD_BYTES)
  head.setUint32(0, format.magic)
  head.setUint32(4, format.version)
  head.setUint32(8, crc32c(bytes.subarray(HEAD_BYTES)) >>> 0)
  return bytes
}

/** The body. @throws {DecodeError} unless it is whole and of this format. */
export function openEnvelope(format: EnvelopeFormat, bytes: Uint8Array, crc32c: Crc32c): DataView {
  if (bytes.length < HEAD_BYTES) throw new DecodeError('the file is cut short', bytes.length)
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES)
  if (head.getUint32(0) !== format.magic) throw new DecodeError('the magic is another', 0)
  if (head.getUint32(4) !== format.version) throw new DecodeError('the version is unknown', 4)
  if (head.getUint32(8) !== crc32c(bytes.subarray(HEAD_BYTES)) >>> 0) {
    throw new DecodeError('the checksum does not match', 8)
  }
  return new DataView(bytes.buffer, bytes.byteOffset + HEAD_BYTES, bytes.length - HEAD_BYTES)
}
