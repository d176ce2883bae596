import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ResponseFrames } from './response-frames.ts'

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + body.length)
  frame.writeInt32BE(body.length)
  frame.set(body, 4)
  return frame
}

test('responses are put together, however their bytes come in', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 })
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 30 }))
  fc.assert(
    fc.property(bodies, sizes, (sent, chunkSizes) => {
      const frames = new ResponseFrames()
      const received: string[] = []
      let rest = Buffer.concat(sent.map(framed))
      while (rest.length > 0) {
        const size = chunkSizes.next().value
        for (const frame of frames.receive(Buffer.from(rest.subarray(0, size)))) {
          received.push(frame.toString('hex'))
        }
        rest = rest.subarray(size)
      }
      expect(received).toEqual(sent.map((body) => Buffer.from(body).toString('hex')))
    }),
  )
})

test('a broker that speaks TLS is told from one that answers', () => {
  const alert = Buffer.from([0x15, 3, 3, 0, 2, 2, 40])
  expect(() => new ResponseFrames().receive(alert)).toThrow('the broker asks for TLS')
})

test('a length below zero is none', () => {
  expect(() => new ResponseFrames().receive(Buffer.from([0xff, 0xff, 0xff, 0xff]))).toThrow(
    'a response of -1 bytes',
  )
})

test('a response of which no end is in sight is none', () => {
  const length = (bytes: number) => {
    const prefix = Buffer.alloc(4)
    prefix.writeInt32BE(bytes)
    return prefix
  }
  expect(new ResponseFrames().receive(length(536_870_912))).toEqual([])
  expect(() => new ResponseFrames().receive(length(536_870_913))).toThrow(
    'a response of 536870913 bytes: 536870912 are the most',
  )
})
