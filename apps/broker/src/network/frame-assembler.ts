import { type BufferPool, DecodeError, invariant } from '@fairlead/base'
import { FRAME_FIRST_STEP_BYTES, FRAME_GROWTH_FACTOR } from '../limits.ts'

const SIZE_PREFIX_BYTES = 4

/** Api key, api version and correlation id: no request is shorter. */
const FRAME_BYTES_MIN = 8

/** For less, one read that brings the next frames as well is better than two. */
const TARGET_BYTES_MIN = 16_384

export type FrameAssemblerOptions = {
  /** `socket.request.max.bytes`: a frame that declares more is refused. */
  readonly frameBytesMax: number
  /** Where the bodies come from; whoever gets a frame may give it back. */
  readonly buffers: BufferPool
  /**
   * Asks for memory beyond the first step. On false the assembler stops, keeps the rest of the
   * input, and goes on when `resume` is called, which grants what was refused.
   */
  readonly reserve: (bytes: number) => boolean
  /** A complete frame, without its size. `reservedBytes` pass to the receiver. */
  readonly onFrame: (frame: Uint8Array, reservedBytes: number) => void
}

/**
 * Cuts a byte stream into frames: a four-byte size, then that many bytes, collected in one buffer.
 *
 * The declared size is checked, never trusted: the buffer grows with what really arrived, at most
 * `FRAME_GROWTH_FACTOR` ahead of it.
 *
 * Invariants: `#receivedBytes` <= `#body.length` <= the declared size; while blocked, no input is
 * consumed; the unconsumed input is at most what one `push` brought.
 */
export class FrameAssembler {
  readonly #options: FrameAssemblerOptions
  readonly #sizePrefix = new Uint8Array(SIZE_PREFIX_BYTES)
  #sizePrefixBytes = 0
  #declaredBytes = 0
  #body: Uint8Array | undefined
  #receivedBytes = 0
  #reservedBytes = 0
  #blockedOnBytes = 0
  #unconsumed: Uint8Array | undefined

  constructor(options: FrameAssemblerOptions) {
    this.#options = options
  }

  /** True between the first byte of a frame and its last. */
  get isInsideFrame(): boolean {
    return this.#sizePrefixBytes > 0
  }

  /** Memory that the frame under way holds: to be released when the connection ends. */
  get reservedBytes(): number {
    return this.#reservedBytes
  }

  /** Bytes that the next step needs and `reserve` refused; 0 when the assembler is not blocked. */
  get blockedOnBytes(): number {
    return this.#blockedOnBytes
  }

  /**
   * Where the next bytes of the frame under way belong, so that they need not be copied; undefined
   * when few are missing. Whoever writes there says how many came with `filled`, before anything else.
   */
  get target(): Uint8Array | undefined {
    const body = this.#body
    if (body === undefined || this.#blockedOnBytes > 0) return undefined
    const missingBytes = body.length - this.#receivedBytes
    return missingBytes < TARGET_BYTES_MIN ? undefined : body.subarray(this.#receivedBytes)
  }

  /** The first `count` bytes of `target` have arrived. */
  filled(count: number): void {
    const body = this.#body
    invariant(body !== undefined, 'only a frame under way has a target')
    invariant(this.#receivedBytes + count <= body.length, 'what arrives fits into the target')
    this.#advance(body, count)
  }

  /** @throws {DecodeError} when a frame declares a size that no request has. */
  push(input: Uint8Array): void {
    invariant(this.#unconsumed === undefined, 'input waits until the assembler is unblocked')
    this.#consume(input)
  }

  /** The memory that was refused is granted now. */
  resume(): void {
    invariant(this.#blockedOnBytes > 0, 'only a blocked assembler is resumed')
    this.#grow(this.#blockedOnBytes)
    this.#blockedOnBytes = 0
    const input = this.#unconsumed
    this.#unconsumed = undefined
    if (input !== undefined) this.#consume(input)
  }

  #consume(input: Uint8Array): void {
    let position = 0
    while (position < input.length) {
      if (this.#body === undefined) {
        position += this.#takeSize(input.subarray(position))
        if (this.#sizePrefixBytes === SIZE_PREFIX_BYTES) this.#startBody(input.length - position)
      } else {
        position += this.#takeBody(this.#body, input.subarray(position))
      }
      if (this.#blockedOnBytes > 0) {
        // A copy: the input's buffer is used for the next input, of whatever connection.
        this.#unconsumed =
          position < input.length ? new Uint8Array(input.subarray(position)) : undefined
        return
      }
    }
  }

  #takeSize(input: Uint8Array): number {
    const taken = Math.min(input.length, SIZE_PREFIX_BYTES - this.#sizePrefixBytes)
    this.#sizePrefix.set(input.subarray(0, taken), this.#sizePrefixBytes)
    this.#sizePrefixBytes += taken
    return taken
  }

  /** A body whose bytes are there for the most part is allocated once, when the memory is. */
  #startBody(availableBytes: number): void {
    const declaredBytes = new DataView(this.#sizePrefix.buffer).getInt32(0)
    const { frameBytesMax } = this.#options
    if (declaredBytes < FRAME_BYTES_MIN || declaredBytes > frameBytesMax) {
      const range = `${FRAME_BYTES_MIN} to ${frameBytesMax}`
      throw new DecodeError(`a frame of ${declaredBytes} bytes; allowed are ${range}`, 0)
    }
    const firstStepBytes = Math.min(declaredBytes, FRAME_FIRST_STEP_BYTES)
    const wantedBytes = Math.min(declaredBytes, availableBytes * FRAME_GROWTH_FACTOR)
    const moreBytes = Math.max(0, wantedBytes - firstStepBytes)
    const grantedBytes = moreBytes > 0 && this.#options.reserve(moreBytes) ? moreBytes : 0
    this.#declaredBytes = declaredBytes
    this.#body = this.#options.buffers.take(firstStepBytes + grantedBytes)
    this.#reservedBytes = grantedBytes
    this.#receivedBytes = 0
  }

  #takeBody(body: Uint8Array, input: Uint8Array): number {
    const taken = Math.min(input.length, body.length - this.#receivedBytes)
    body.set(input.subarray(0, taken), this.#receivedBytes)
    this.#advance(body, taken)
    return taken
  }

  #advance(body: Uint8Array, count: number): void {
    this.#receivedBytes += count
    if (this.#receivedBytes === this.#declaredBytes) this.#finish(body)
    else if (this.#receivedBytes === body.length) this.#askForMore(body)
  }

  #askForMore(body: Uint8Array): void {
    const nextBytes = Math.min(this.#declaredBytes, body.length * FRAME_GROWTH_FACTOR)
    const moreBytes = nextBytes - body.length
    if (this.#options.reserve(moreBytes)) this.#grow(moreBytes)
    else this.#blockedOnBytes = moreBytes
  }

  #grow(moreBytes: number): void {
    const body = this.#body
    invariant(body !== undefined, 'only a frame under way grows')
    const grown = this.#options.buffers.take(body.length + moreBytes)
    grown.set(body)
    this.#options.buffers.giveBack(body)
    this.#body = grown
    this.#reservedBytes += moreBytes
    invariant(grown.length <= this.#declaredBytes, 'a body is never longer than declared')
  }

  #finish(body: Uint8Array): void {
    const reservedBytes = this.#reservedBytes
    this.#body = undefined
    this.#reservedBytes = 0
    this.#sizePrefixBytes = 0
    this.#options.onFrame(body, reservedBytes)
  }
}
