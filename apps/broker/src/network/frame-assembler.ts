import { type BufferPool, DecodeError, invariant } from '@fairlead/base'
import { FRAME_FIRST_STEP_BYTES, FRAME_GROWTH_FACTOR, FRAME_SECOND_STEP_BYTES } from '../limits.ts'

const SIZE_PREFIX_BYTES = 4

/** Api key, api version and correlation id: no request is shorter. */
const FRAME_BYTES_MIN = 8

/** For less, one read that brings the next frames as well is better than two. */
const TARGET_BYTES_MIN = 16_384

/** A frame that is not complete. */
export type FrameUnderWay = {
  readonly declaredBytes: number
  /** What has arrived begins with the API key. */
  readonly head: Uint8Array
}

export type FrameAssemblerOptions = {
  /** `socket.request.max.bytes`: a frame that declares more is refused. */
  readonly frameBytesMax: number
  /** Where the bodies come from; whoever gets a frame may give it back. */
  readonly buffers: BufferPool
  /** Whether one more frame may be begun now. On false the input waits for `goOn`. */
  readonly mayBegin: () => boolean
  /**
   * Asks that the frame may hold `bytes` beyond the first step, what it holds so far included. On
   * false the assembler stops, keeps the rest of the input, and goes on when `resume` is called,
   * which grants what was refused.
   */
  readonly reserve: (bytes: number, frame: FrameUnderWay) => boolean
  /** A complete frame, without its size. `reservedBytes` pass to the receiver. */
  readonly onFrame: (frame: Uint8Array, reservedBytes: number) => void
}

/**
 * Cuts a byte stream into frames: a four-byte size, then that many bytes, collected in one buffer.
 *
 * The declared size is checked, never trusted: the buffer grows with what really arrived, at most
 * `FRAME_GROWTH_FACTOR` ahead of it. Permits are taken in two steps, the second one for all of the
 * rest: frames that hold a part each and wait for more could wait for each other for ever.
 *
 * Invariants: `#receivedBytes` <= `#body.length` <= first step + `#reservedBytes`, and <= the declared
 * size; while blocked or held, no input is consumed; the unconsumed input is at most what one `push`
 * brought.
 */
export class FrameAssembler {
  readonly #options: FrameAssemblerOptions
  /** As much of the size as has arrived. */
  #sizePrefix = 0
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

  /** True while input waits for leave to begin the next frame. */
  get isHeld(): boolean {
    return this.#blockedOnBytes === 0 && this.#unconsumed !== undefined
  }

  /** What the frame under way, or the one before, said that it has. */
  get declaredBytes(): number {
    return this.#declaredBytes
  }

  /** Bytes of the frame under way that have arrived. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  /** Input that is in memory and not yet looked at. */
  get unconsumedBytes(): number {
    return this.#unconsumed?.length ?? 0
  }

  /** True between the first byte of a frame and its last. */
  get isInsideFrame(): boolean {
    return this.#sizePrefixBytes > 0
  }

  /** Memory that the frame under way holds: to be released when the connection ends. */
  get reservedBytes(): number {
    return this.#reservedBytes
  }

  /** What `reserve` refused; 0 when the assembler is not blocked. */
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
    this.#reservedBytes = this.#blockedOnBytes
    this.#blockedOnBytes = 0
    this.#grow()
    this.#consumeRest()
  }

  /** Another frame may begin now. */
  goOn(): void {
    invariant(this.isHeld, 'only a held assembler goes on')
    this.#consumeRest()
  }

  #consumeRest(): void {
    const input = this.#unconsumed
    this.#unconsumed = undefined
    if (input !== undefined) this.#consume(input)
  }

  #consume(input: Uint8Array): void {
    let position = 0
    while (position < input.length) {
      if (this.#body === undefined) {
        if (this.#sizePrefixBytes === 0 && !this.#options.mayBegin()) {
          this.#unconsumed = new Uint8Array(input.subarray(position))
          return
        }
        position += this.#takeSize(input, position)
        if (this.#sizePrefixBytes === SIZE_PREFIX_BYTES) this.#startBody(input, position)
      } else {
        position += this.#takeBody(this.#body, input, position)
      }
      if (this.#blockedOnBytes > 0) {
        // A copy: the input's buffer is used for the next input, of whatever connection.
        this.#unconsumed =
          position < input.length ? new Uint8Array(input.subarray(position)) : undefined
        return
      }
    }
  }

  #takeSize(input: Uint8Array, position: number): number {
    const taken = Math.min(input.length - position, SIZE_PREFIX_BYTES - this.#sizePrefixBytes)
    for (let index = position; index < position + taken; index += 1) {
      this.#sizePrefix = (this.#sizePrefix << 8) | (input[index] ?? 0)
    }
    this.#sizePrefixBytes += taken
    return taken
  }

  /** A body whose bytes are there for the most part is allocated once, when the memory is. */
  #startBody(input: Uint8Array, position: number): void {
    const declaredBytes = this.#sizePrefix
    const availableBytes = input.length - position
    const { frameBytesMax } = this.#options
    if (declaredBytes < FRAME_BYTES_MIN || declaredBytes > frameBytesMax) {
      const range = `${FRAME_BYTES_MIN} to ${frameBytesMax}`
      throw new DecodeError(`a frame of ${declaredBytes} bytes; allowed are ${range}`, 0)
    }
    this.#declaredBytes = declaredBytes
    this.#reservedBytes = 0
    this.#receivedBytes = 0
    const wantedBytes = Math.min(declaredBytes, availableBytes * FRAME_GROWTH_FACTOR)
    if (wantedBytes > FRAME_FIRST_STEP_BYTES) {
      const nextBytes = this.#nextStepBytes()
      const head = input.subarray(position)
      const isGranted = this.#options.reserve(nextBytes, { declaredBytes, head })
      if (isGranted) this.#reservedBytes = nextBytes
    }
    const bodyBytes = Math.max(wantedBytes, FRAME_FIRST_STEP_BYTES)
    this.#body = this.#options.buffers.take(Math.min(bodyBytes, this.#permittedBytes))
  }

  /** How long the body may be with what is reserved. */
  get #permittedBytes(): number {
    return Math.min(this.#declaredBytes, FRAME_FIRST_STEP_BYTES + this.#reservedBytes)
  }

  /**
   * What is to be reserved next, what is reserved already included: all that the buffer of the body will
   * hold, which may be a little more than the body.
   */
  #nextStepBytes(): number {
    const { buffers, frameBytesMax } = this.#options
    const isSecond = this.#reservedBytes === 0
    const stepBytes = isSecond ? FRAME_SECOND_STEP_BYTES : this.#declaredBytes
    const bodyBytes = Math.min(this.#declaredBytes, stepBytes)
    return Math.min(buffers.capacityOf(bodyBytes), frameBytesMax) - FRAME_FIRST_STEP_BYTES
  }

  #takeBody(body: Uint8Array, input: Uint8Array, position: number): number {
    const taken = Math.min(input.length - position, body.length - this.#receivedBytes)
    body.set(input.subarray(position, position + taken), this.#receivedBytes)
    this.#advance(body, taken)
    return taken
  }

  #advance(body: Uint8Array, count: number): void {
    this.#receivedBytes += count
    if (this.#receivedBytes === this.#declaredBytes) this.#finish(body)
    else if (this.#receivedBytes === body.length) this.#askForMore(body)
  }

  #askForMore(body: Uint8Array): void {
    if (body.length < this.#permittedBytes) {
      this.#grow()
      return
    }
    const nextBytes = this.#nextStepBytes()
    if (this.#options.reserve(nextBytes, { declaredBytes: this.#declaredBytes, head: body })) {
      this.#reservedBytes = nextBytes
      this.#grow()
    } else {
      this.#blockedOnBytes = nextBytes
    }
  }

  #grow(): void {
    const body = this.#body
    invariant(body !== undefined, 'only a frame under way grows')
    const grownBytes = Math.min(this.#permittedBytes, body.length * FRAME_GROWTH_FACTOR)
    invariant(grownBytes > body.length, 'a body grows')
    const grown = this.#options.buffers.take(grownBytes)
    grown.set(body)
    this.#options.buffers.giveBack(body)
    this.#body = grown
  }

  #finish(body: Uint8Array): void {
    const reservedBytes = this.#reservedBytes
    this.#body = undefined
    this.#reservedBytes = 0
    this.#sizePrefix = 0
    this.#sizePrefixBytes = 0
    this.#receivedBytes = 0
    this.#options.onFrame(body, reservedBytes)
  }
}
