import type { ByteReader } from '../byte-reader.ts'
import { type Exchange, exchangeOf } from './exchange.ts'

const CLIENT_SOFTWARE = { name: 'fairlead', version: '0.1.0' } as const

export type VersionRange = {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

export type ApiVersionsAnswer = {
  readonly errorCode: number
  readonly apiKeys: readonly VersionRange[]
}

/**
 * ApiVersions (key 18), version 3. Its response has the header of version 0 always, so that who does not know
 * the version can read it; and the body of version 0 where the broker does not, which is not read on.
 */
export function apiVersionsExchange(): Exchange<ApiVersionsAnswer> {
  return exchangeOf(
    { key: 18, version: 3 },
    {
      taggedHeaders: { request: true, response: false },
      encode: (writer) => {
        writer.string(CLIENT_SOFTWARE.name).string(CLIENT_SOFTWARE.version).tags()
      },
      decode: decodeApiVersions,
    },
  )
}

function decodeApiVersions(reader: ByteReader): ApiVersionsAnswer {
  const errorCode = reader.int16()
  if (errorCode !== 0) return { errorCode, apiKeys: [] }
  const apiKeys = reader.array(() =>
    reader.struct(() => ({
      apiKey: reader.int16(),
      minVersion: reader.int16(),
      maxVersion: reader.int16(),
    })),
  )
  return { errorCode, apiKeys }
}
