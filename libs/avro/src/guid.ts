import { md5 } from './md5.ts'

export type GuidReference = {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** MD5, of which a platform may have a quicker one than ours. */
export type Md5 = (bytes: Uint8Array) => Uint8Array

/**
 * The id of a schema's content that is the same in every registry: MD5 over the canonical text and
 * each reference (name, subject, int32 version) and what `moreTexts` holds of metadata and rules, as
 * a UUID. The schema type is not part of it.
 */
export function schemaGuid(
  text: string,
  references: readonly GuidReference[] = [],
  moreTexts: readonly string[] = [],
  digest: Md5 = md5,
): string {
  const encoder = new TextEncoder()
  const chunks = [encoder.encode(text)]
  for (const { name, subject, version } of references) {
    const versionBytes = new Uint8Array(4)
    new DataView(versionBytes.buffer).setInt32(0, version)
    chunks.push(encoder.encode(name), encoder.encode(subject), versionBytes)
  }
  chunks.push(...moreTexts.map((more) => encoder.encode(more)))
  const hex = [...digest(concatenated(chunks))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0))
  let position = 0
  for (const chunk of chunks) {
    bytes.set(chunk, position)
    position += chunk.length
  }
  return bytes
}
