import { expect, test } from 'vitest'
import { foreignProtocol } from './first-bytes.ts'

test.for([
  { bytes: [0x16, 3, 1, 2], speaks: /TLS/ },
  { bytes: [...Buffer.from('GET / HTTP/1.1')], speaks: /HTTP/ },
  { bytes: [...Buffer.from('POST')], speaks: /HTTP/ },
  { bytes: [...Buffer.from('SSH-2.0')], speaks: /SSH/ },
])('a peer that begins with $bytes is recognised', ({ bytes, speaks }) => {
  expect(foreignProtocol(Uint8Array.from(bytes))?.reason).toMatch(speaks)
})

test.for([[[0, 0, 0, 20]], [[0, 1, 0, 0]], [[0x16, 3]], [[]]])(
  'a peer that begins with %j may be a Kafka client',
  ([bytes]) => {
    expect(foreignProtocol(Uint8Array.from(bytes ?? []))).toBeUndefined()
  },
)
