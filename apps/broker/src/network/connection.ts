import type { Socket } from 'node:net'
import { type BufferPool, type Clock, DecodeError, invariant } from '@fairlead/base'
import {
  FRAME_DEADLINE_MS,
  INPUT_BYTES,
  IN_FLIGHT_PER_CONNECTION_MAX,
  UNREAD_RESPONSE_BYTES_MAX,
} from '../limits.ts'
import { Departure } from './departure.ts'
import { FIRST_BYTES, foreignProtocol } from './first-bytes.ts'
import { FrameAssembler } from './frame-assembler.ts'
import type { MemoryPool } from './memory-pool.ts'
import { readInto } from './read-into.ts'

/** What a request is answered with. */
export type Reply = {
  /** Ready for the socket, size included; none for a request that has no response. */
  readonly chunks: readonly Uint8Array[]
  /** Why the connection ends after this reply. */
  readonly closeReason?: string
  /** Gives back what the reply holds, once it is on the socket or the connection is gone. */
  readonly release?: () => void
}

/** Who asks; what a client says about itself in ApiVersions is kept for metrics and logs. */
export type Peer = {
  readonly address: string
  readonly port: number
  clientSoftware: string
  /** For requests that wait: nobody needs their answer any more. */
  readonly departure: Departure
}

export type RequestHandler = (frame: Uint8Array, peer: Peer) => Promise<Reply>

export type ConnectionOptions = {
  /** Of a server that pauses them. */
  readonly accepted: Socket
  readonly clock: Clock
  readonly memory: MemoryPool
  readonly buffers: BufferPool
  readonly frameBytesMax: number
  readonly idleMsMax: number
  readonly handle: RequestHandler
  /** Called once. The reason is undefined when the peer left in order. */
  readonly onClosed: (connection: Connection, failure: ConnectionFailure | undefined) => void
}

export type ConnectionFailure = {
  readonly reason: string
  /** Set when the broker itself erred: worth a stack trace. */
  readonly error?: unknown
}

/**
 * Where the bytes of all connections arrive, but for the bulk of large frames: one at a time, and
 * nothing of it is looked at after the callback of the read.
 */
const INPUT = new Uint8Array(INPUT_BYTES)

type InFlight = { reply: Reply | undefined; readonly reservedBytes: number }

/**
 * One client. Requests are started in the order they arrive and may finish in any order; responses
 * leave in the order of the requests.
 *
 * Nothing is read from the socket while the peer has `IN_FLIGHT_PER_CONNECTION_MAX` requests under
 * way, leaves its responses unread, or waits for memory: TCP then holds the peer back.
 *
 * A handler that throws ends its connection only. That is safe because a decision changes nothing
 * (state changes in `replay` alone, whose failure ends the process).
 */
export class Connection {
  readonly peer: Peer
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #assembler: FrameAssembler
  readonly #inFlight: InFlight[] = []
  #firstBytes: Uint8Array = new Uint8Array()
  #lastActivityMs: number
  #frameStartedMs: number | undefined
  #isReading = true
  #isDraining = false
  #isClosed = false
  #giveUpMemory: (() => void) | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#assembler = new FrameAssembler({
      frameBytesMax: options.frameBytesMax,
      buffers: options.buffers,
      reserve: (bytes) => options.memory.tryAcquire(bytes),
      onFrame: (frame, reservedBytes) => this.#start(frame, reservedBytes),
    })
    const socket = readInto(options.accepted, {
      buffer: () => this.#assembler.target ?? INPUT,
      callback: (count, buffer) => {
        this.#receive(count, buffer)
        return true
      },
    })
    this.#socket = socket
    this.peer = {
      address: socket.remoteAddress ?? 'unknown',
      port: socket.remotePort ?? 0,
      clientSoftware: 'unknown',
      departure: new Departure(),
    }
    this.#lastActivityMs = options.clock.nowMs()
    socket.setNoDelay(true)
    socket.on('drain', () => this.#readOrPause())
    socket.on('end', () => this.#peerEnded())
    // What a write meets after the peer has left in order is no failure.
    socket.on('error', (error) =>
      this.close(socket.readableEnded ? undefined : { reason: error.message }),
    )
    socket.on('close', () => this.close(undefined))
  }

  get inFlightCount(): number {
    return this.#inFlight.length
  }

  /** Ends the connection when the peer is idle, or dawdles inside a frame. */
  sweep(nowMs: number): void {
    const { idleMsMax } = this.#options
    if (this.#frameStartedMs !== undefined && nowMs - this.#frameStartedMs > FRAME_DEADLINE_MS) {
      this.close({ reason: `a frame was not complete after ${FRAME_DEADLINE_MS} ms` })
    } else if (this.#inFlight.length === 0 && nowMs - this.#lastActivityMs > idleMsMax) {
      this.close(undefined)
    }
  }

  /** Reads no more requests; ends the connection once those under way are answered. */
  drain(): void {
    this.#isDraining = true
    this.#readOrPause()
    if (this.#inFlight.length === 0) this.#socket.end(() => this.close(undefined))
  }

  close(failure: ConnectionFailure | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.peer.departure.announce()
    this.#giveUpMemory?.()
    const held = this.#inFlight.splice(0)
    for (const { reply } of held) reply?.release?.()
    // Requests under way keep their frames until their handlers are done with them.
    for (const request of held) {
      if (request.reply !== undefined) this.#options.memory.release(request.reservedBytes)
    }
    this.#options.memory.release(this.#assembler.reservedBytes)
    this.#socket.destroy()
    this.#options.onClosed(this, failure)
  }

  /** `buffer` is the shared input, or the assembler's target, whose first `count` bytes have arrived. */
  #receive(count: number, buffer: Uint8Array): void {
    if (this.#isClosed || this.#isDraining) return
    this.#lastActivityMs = this.#options.clock.nowMs()
    if (buffer !== INPUT) {
      this.#assemble(() => this.#assembler.filled(count))
      return
    }
    const input = INPUT.subarray(0, count)
    if (this.#firstBytes.length < FIRST_BYTES) {
      this.#firstBytes = Buffer.concat([this.#firstBytes, input.subarray(0, FIRST_BYTES)])
    }
    this.#assemble(() => this.#assembler.push(input))
  }

  #assemble(step: () => void): void {
    try {
      step()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.close({ reason: foreignProtocol(this.#firstBytes) ?? error.message })
      return
    }
    this.#frameStartedMs = this.#assembler.isInsideFrame
      ? (this.#frameStartedMs ?? this.#options.clock.nowMs())
      : undefined
    if (this.#assembler.blockedOnBytes > 0) this.#waitForMemory(this.#assembler.blockedOnBytes)
    this.#readOrPause()
  }

  #waitForMemory(bytes: number): void {
    invariant(this.#giveUpMemory === undefined, 'a connection waits for memory once')
    this.#giveUpMemory = this.#options.memory.wait(bytes, () => {
      this.#giveUpMemory = undefined
      this.#assemble(() => this.#assembler.resume())
    })
  }

  #start(frame: Uint8Array, reservedBytes: number): void {
    this.#frameStartedMs = undefined
    if (this.#isClosed) {
      this.#options.memory.release(reservedBytes)
      return
    }
    const request: InFlight = { reply: undefined, reservedBytes }
    this.#inFlight.push(request)
    this.#options.handle(frame, this.peer).then(
      (reply) => this.#finish(request, reply),
      (error: unknown) => this.#fail(request, error),
    )
  }

  #finish(request: InFlight, reply: Reply): void {
    if (this.#isClosed) {
      reply.release?.()
      this.#options.memory.release(request.reservedBytes)
      return
    }
    request.reply = reply
    this.#sendReady()
  }

  #fail(request: InFlight, error: unknown): void {
    if (this.#isClosed) {
      this.#options.memory.release(request.reservedBytes)
      return
    }
    request.reply = { chunks: [] }
    if (error instanceof DecodeError) this.close({ reason: error.message })
    else this.close({ reason: 'a handler failed', error })
  }

  #sendReady(): void {
    let oldest = this.#inFlight[0]
    this.#socket.cork()
    while (oldest?.reply !== undefined) {
      this.#inFlight.shift()
      this.#options.memory.release(oldest.reservedBytes)
      this.#write(oldest.reply)
      if (oldest.reply.closeReason !== undefined) {
        this.#socket.uncork()
        this.#endAfterWrites(oldest.reply.closeReason)
        return
      }
      oldest = this.#inFlight[0]
    }
    this.#socket.uncork()
    this.#lastActivityMs = this.#options.clock.nowMs()
    if (this.#isDraining && this.#inFlight.length === 0) {
      this.#socket.end(() => this.close(undefined))
    }
    this.#readOrPause()
  }

  #write(reply: Reply): void {
    const { chunks, release } = reply
    const last = chunks.length - 1
    if (last < 0) release?.()
    for (const [index, chunk] of chunks.entries()) {
      if (index === last && release !== undefined) this.#socket.write(chunk, () => release())
      else this.#socket.write(chunk)
    }
  }

  #endAfterWrites(reason: string): void {
    this.#isDraining = true
    this.#socket.end(() => this.close({ reason }))
  }

  /** The peer sends no more, yet may still read: answer what it asked for without waiting, then end. */
  #peerEnded(): void {
    if (this.#isClosed) return
    if (this.#assembler.isInsideFrame) this.close({ reason: 'the peer left inside a frame' })
    else {
      this.peer.departure.announce()
      this.drain()
    }
  }

  #readOrPause(): void {
    if (this.#isClosed) return
    const mayRead =
      !this.#isDraining &&
      this.#giveUpMemory === undefined &&
      this.#inFlight.length < IN_FLIGHT_PER_CONNECTION_MAX &&
      this.#socket.writableLength < UNREAD_RESPONSE_BYTES_MAX
    if (mayRead === this.#isReading) return
    this.#isReading = mayRead
    if (mayRead) this.#socket.resume()
    else this.#socket.pause()
  }
}
