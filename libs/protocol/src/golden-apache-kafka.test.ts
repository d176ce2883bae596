import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { APIS, type ApiName } from './apis.ts'
import { decodeResponse, encodeResponse } from './frames.ts'

const SIZE_BYTES = 4

type Golden = {
  readonly api: ApiName
  readonly version: number
  readonly what: string
  readonly response: string
}

/** Bytes that Apache Kafka 4.4.0 wrote; a round trip alone cannot find a mistake in a table. */
const GOLDEN = JSON.parse(
  readFileSync(join(import.meta.dirname, '../testdata/apache-kafka-4.4.0.json'), 'utf8'),
) as readonly Golden[]

test.for(GOLDEN)('$api $version of Apache Kafka is read and written alike', (golden) => {
  const { api, version, response } = golden
  const frame = Uint8Array.from(Buffer.from(response, 'hex'))
  const { correlationId, body } = decodeResponse(api, version, frame)
  const written = Buffer.concat(encodeResponse(api, version, correlationId, body))
  expect(written.subarray(SIZE_BYTES).toString('hex')).toBe(response)
})

test('there is an answer of most APIs', () => {
  const answered = new Set(GOLDEN.map(({ api }) => api))
  expect(answered.size).toBeGreaterThan(Object.keys(APIS).length * 0.8)
})
