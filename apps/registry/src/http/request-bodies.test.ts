import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { RequestBodies } from './request-bodies.ts'

const bodies = () => new RequestBodies({ bodyBytesMax: 100, receivingBytesMax: 250 })
const outcome = (received: Promise<string>): Promise<unknown> =>
  received.catch((error: { readonly errorCode?: number }) => error.errorCode)

test('a body comes as it was sent, in whatever pieces', async () => {
  const stream = new PassThrough()
  const received = bodies().receive(stream)
  const bytes = Buffer.from('{"schema":"ä€"}')
  for (const byte of bytes) stream.write(Buffer.of(byte))
  stream.end()
  expect(await received).toBe('{"schema":"ä€"}')
})

test('one byte too many is 413, before the rest has come', async () => {
  const stream = new PassThrough()
  const received = bodies().receive(stream)
  stream.write(Buffer.alloc(101))
  expect(await outcome(received)).toBe(413)
})

test('a body that breaks off is 400', async () => {
  const stream = new PassThrough()
  const received = bodies().receive(stream)
  stream.write('{')
  stream.destroy()
  expect(await outcome(received)).toBe(400)
})

test('beyond the budget the largest one goes, and a small one comes through', async () => {
  const all = bodies()
  const streams = Array.from({ length: 3 }, () => new PassThrough())
  const received = streams.map((stream) => outcome(all.receive(stream)))
  for (const [index, stream] of streams.entries()) stream.write(Buffer.alloc(80 + index))
  const small = new PassThrough()
  const smallBody = all.receive(small)
  small.end(Buffer.alloc(20, 'x'))
  expect(await smallBody).toHaveLength(20)
  expect(await received[2]).toBe(429)
  for (const stream of streams) stream.end()
  expect((await Promise.all(received)).map((each) => typeof each)).toEqual([
    'string',
    'string',
    'number',
  ])
})

test('what is complete, or refused, is out of the budget', async () => {
  const all = bodies()
  for (let count = 0; count < 10; count += 1) {
    const [complete, refused] = [new PassThrough(), new PassThrough()]
    const received = [all.receive(complete), all.receive(refused)].map(outcome)
    complete.end(Buffer.alloc(100, 'x'))
    refused.end(Buffer.alloc(101))
    expect(await Promise.all(received)).toEqual(['x'.repeat(100), 413])
  }
})
