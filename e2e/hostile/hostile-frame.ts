import { DecodeError } from '@fairlead/base'
import { apiByKey, decodeRequest, decodeRequestHeader } from '@fairlead/protocol'
import type { SeededRandom } from '../support/seeded-random.ts'
import { type Words, bytes, randomRequest } from './random-request.ts'

const SIZE_BYTES = 4
const HEADER_BYTES = 12
const EDGE_BYTES = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff]
/** Frames of the first kind that are made at most until one is what was asked for. */
const ATTEMPTS_MAX = 50

/** A frame that the broker can read, whatever it thinks of the values: the connection goes on. */
export function readableFrame(random: SeededRandom, words: Words): Uint8Array {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const frame = random.int(2) === 0 ? randomRequest(random, words) : mutant(random, words)
    if (isReadable(frame)) return frame
  }
  return randomRequest(random, words)
}

/** A frame that ends its connection: noise, a size that lies, a request cut, spliced or changed. */
export function unreadableFrame(random: SeededRandom, words: Words): Uint8Array {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const frame = mutant(random, words)
    if (!isReadable(frame)) return frame
  }
  return withSize(Uint8Array.from(bytes(HEADER_BYTES, random)), -1)
}

function mutant(random: SeededRandom, words: Words): Uint8Array {
  const { int } = random
  const frame = randomRequest(random, words)
  switch (int(8)) {
    case 0:
      return changed(frame, 1, random)
    case 1:
    case 2:
      return changed(frame, 1 + int(8), random)
    case 3:
      return framed(frame.subarray(0, HEADER_BYTES + int(frame.length - HEADER_BYTES + 1)))
    case 4:
      return spliced(frame, randomRequest(random, words), random)
    case 5:
      return framed(Buffer.concat([frame.subarray(0, HEADER_BYTES), bytes(int(200), random)]))
    case 6:
      return framed(bytes(HEADER_BYTES + int(200), random))
    default:
      return withSize(Uint8Array.from(frame), int(2) === 0 ? int(2 ** 32) : int(8))
  }
}

/** The head of one request and the tail of another. */
function spliced(first: Uint8Array, second: Uint8Array, { int }: SeededRandom): Uint8Array {
  const head = first.subarray(0, HEADER_BYTES + int(first.length - HEADER_BYTES + 1))
  return framed(Buffer.concat([head, second.subarray(int(second.length))]))
}

function changed(frame: Uint8Array, count: number, { int, pick }: SeededRandom): Uint8Array {
  const copy = Uint8Array.from(frame)
  for (let change = 0; change < count; change += 1) {
    copy[SIZE_BYTES + int(copy.length - SIZE_BYTES)] = int(2) === 0 ? pick(EDGE_BYTES) : int(256)
  }
  return copy
}

/** A copy with a size that is true. */
function framed(frame: Uint8Array): Uint8Array {
  return withSize(Uint8Array.from(frame), frame.length - SIZE_BYTES)
}

function withSize(frame: Uint8Array, size: number): Uint8Array {
  new DataView(frame.buffer).setInt32(0, size)
  return frame
}

/** Judged by our own decoder, which is the broker's. */
function isReadable(frame: Uint8Array): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (frame.length < HEADER_BYTES || view.getInt32(0) !== frame.length - SIZE_BYTES) return false
  const request = frame.subarray(SIZE_BYTES)
  const api = apiByKey(view.getInt16(SIZE_BYTES))
  const version = view.getInt16(SIZE_BYTES + 2)
  if (api === undefined) return false
  if (version < api.firstVersion || version > api.lastVersion) return api.name === 'ApiVersions'
  try {
    const { bodyPosition } = decodeRequestHeader(request)
    decodeRequest(api.name, version, request, bodyPosition)
    return true
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}
