import { BufferPool, DecodeError } from '@fairlead/base'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BUFFER_POOL, FRAME_FIRST_STEP_BYTES, FRAME_SECOND_STEP_BYTES } from '../limits.ts'
import { FrameAssembler } from './frame-assembler.ts'

const FRAME_BYTES_MAX = 4 * 1024 * 1024

function framed(...bodies: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(body.length)
      return [size, body]
    }),
  )
}

function assemble(
  options: {
    readonly mayGrow?: (bytes: number) => boolean
    readonly mayBegin?: () => boolean
  } = {},
) {
  const frames: Uint8Array[] = []
  const reserved: number[] = []
  const assembler = new FrameAssembler({
    frameBytesMax: FRAME_BYTES_MAX,
    buffers: new BufferPool(BUFFER_POOL),
    mayBegin: options.mayBegin ?? (() => true),
    reserve: options.mayGrow ?? (() => true),
    onFrame: (frame, reservedBytes) => {
      frames.push(frame)
      reserved.push(reservedBytes)
    },
  })
  return { assembler, frames, reserved }
}

function feed(assembler: FrameAssembler, stream: Uint8Array, cuts: readonly number[]): void {
  const ends = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const end of [...ends, stream.length]) {
    assembler.push(stream.slice(from, end))
    from = end
    while (assembler.blockedOnBytes > 0 || assembler.isHeld) {
      if (assembler.isHeld) assembler.goOn()
      else assembler.resume()
    }
  }
}

const bodies = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.uint8Array({ minLength: 8, maxLength: 64 }) },
    {
      weight: 1,
      arbitrary: fc
        .integer({ min: FRAME_FIRST_STEP_BYTES - 1, max: FRAME_FIRST_STEP_BYTES * 6 })
        .map((length) => new Uint8Array(length).fill(length & 0xff)),
    },
  ),
  { minLength: 1, maxLength: 5 },
)

describe('frame assembler', () => {
  test('a small body asks once, a large one for a part and then for all of it', () => {
    const asked: number[] = []
    const { assembler, frames } = assemble({ mayGrow: (bytes) => asked.push(bytes) > 0 })
    const beyond = (bytes: number): number => bytes - FRAME_FIRST_STEP_BYTES
    assembler.push(framed(new Uint8Array(FRAME_FIRST_STEP_BYTES * 3)))
    expect(asked.splice(0)).toEqual([beyond(FRAME_FIRST_STEP_BYTES * 3)])
    const large = FRAME_SECOND_STEP_BYTES * 3
    assembler.push(framed(new Uint8Array(large)))
    expect(asked).toEqual([beyond(FRAME_SECOND_STEP_BYTES), beyond(large)])
    expect(frames.map(({ length }) => length)).toEqual([FRAME_FIRST_STEP_BYTES * 3, large])
  })

  test('the frames do not depend on how the stream was cut, nor on when memory was granted', () => {
    fc.assert(
      fc.property(
        bodies,
        fc.array(fc.nat(), { maxLength: 40 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
        (sent, cuts, grants) => {
          let asked = 0
          const { assembler, frames } = assemble({
            mayGrow: () => grants[asked++ % grants.length] ?? true,
            mayBegin: () => asked++ % 3 > 0,
          })
          feed(assembler, framed(...sent), cuts)
          expect(frames.length).toBe(sent.length)
          for (const [index, body] of sent.entries()) {
            expect(Buffer.compare(frames[index] ?? new Uint8Array(), body)).toBe(0)
          }
          expect(assembler.isInsideFrame).toBe(false)
          expect(assembler.reservedBytes).toBe(0)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('what a frame holds beyond the first step is what it reserved', () => {
    const { assembler, frames, reserved } = assemble()
    assembler.push(framed(new Uint8Array(FRAME_FIRST_STEP_BYTES * 10), new Uint8Array(100)))
    expect(frames.map(({ length }) => length)).toEqual([FRAME_FIRST_STEP_BYTES * 10, 100])
    expect(reserved).toEqual([FRAME_FIRST_STEP_BYTES * 9, 0])
  })

  test('no frame begins without leave, however many arrived at once', () => {
    let leaves = 2
    const { assembler, frames } = assemble({ mayBegin: () => leaves-- > 0 })
    const bodies = Array.from({ length: 5 }, (_, index) => new Uint8Array(8).fill(index))
    assembler.push(framed(...bodies))
    expect(frames.length).toBe(2)
    expect(assembler.isHeld).toBe(true)
    expect(assembler.isInsideFrame).toBe(false)
    expect(assembler.unconsumedBytes).toBe(3 * 12)
    leaves = 3
    assembler.goOn()
    expect(frames.map(([first]) => first)).toEqual([0, 1, 2, 3, 4])
    expect(assembler.isHeld).toBe(false)
  })

  test('a peer that declares much and sends little holds little', () => {
    const { assembler } = assemble()
    const stream = framed(new Uint8Array(FRAME_BYTES_MAX))
    assembler.push(stream.subarray(0, 1_000))
    expect(assembler.reservedBytes).toBe(0)
    assembler.push(stream.subarray(1_000, FRAME_FIRST_STEP_BYTES + 5))
    expect(assembler.reservedBytes).toBe(FRAME_SECOND_STEP_BYTES - FRAME_FIRST_STEP_BYTES)
  })

  test.for([-1, 0, 7, -2_147_483_648, FRAME_BYTES_MAX + 1, 0x7f_ff_ff_ff])(
    'a declared size of %i is refused',
    (size) => {
      const { assembler } = assemble()
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(size)
      expect(() => assembler.push(prefix)).toThrow(DecodeError)
    },
  )
})

test('a frame reserves what its buffer holds, which may be more than its bytes', () => {
  for (const length of [5_000, 40_000, 200_000, 300_000, 600_000, 1_100_000, 2_900_000]) {
    const { assembler, frames, reserved } = assemble()
    feed(assembler, framed(new Uint8Array(length)), [length / 2])
    const heldBytes = frames[0]?.buffer.byteLength ?? 0
    expect(heldBytes).toBeGreaterThanOrEqual(length)
    expect((reserved[0] ?? 0) + FRAME_FIRST_STEP_BYTES).toBe(heldBytes)
  }
})
