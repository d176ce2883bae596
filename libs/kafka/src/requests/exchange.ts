import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'

/** A request and its response, alike in a range of versions. */
export type Exchange<Response> = {
  readonly key: number
  readonly minVersion: number
  readonly maxVersion: number
  /** Which headers have tagged fields; both, as in flexible versions, unless it is said. */
  readonly taggedHeaders?: { readonly request: boolean; readonly response: boolean }
  encode(writer: ByteWriter): void
  decode(reader: ByteReader): Response
}

/** An exchange of one version. */
export function exchangeOf<Response>(
  { key, version }: { readonly key: number; readonly version: number },
  codec: Pick<Exchange<Response>, 'encode' | 'decode' | 'taggedHeaders'>,
): Exchange<Response> {
  return { key, minVersion: version, maxVersion: version, ...codec }
}
