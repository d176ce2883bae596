import type { Socket } from 'node:net'
import { type BufferPool, type Clock, DecodeError, type Timers, invariant } from '@fairlead/base'
import type { ApiName } from '@fairlead/protocol'
import { FetchPace } from '../fetching/fetch-pace.ts'
import { ReadAhead } from '../fetching/read-ahead.ts'
import {
  INPUT_BYTES,
  IN_FLIGHT_PER_CONNECTION_MAX,
  LINGER_MS,
  UNREAD_DEADLINE_MS,
  UNREAD_HIGH_LOAD_MS,
  UNREAD_RESPONSE_BYTES_MAX,
} from '../limits.ts'
import type { SentTimes } from '../metrics/request-metrics.ts'
import type { CloseReason } from './close-kind.ts'
import { Departure } from './departure.ts'
import { FIRST_BYTES, foreignProtocol } from './first-bytes.ts'
import { FrameAssembler, type FrameUnderWay } from './frame-assembler.ts'
import { FramePace } from './frame-pace.ts'
import type { Load } from './load.ts'
import type { MemoryPool } from './memory-pool.ts'
import { readInto } from './read-into.ts'
import type { RequestMemory } from './request-memory.ts'
import { Turns } from './turns.ts'

/** What a request is answered with. */
export type Reply = {
  /** Ready for the socket, size included; none for a request that has no response. */
  readonly chunks: readonly Uint8Array[]
  /** Why the connection ends after this reply. */
  readonly closeReason?: CloseReason
  /** The client shall send nothing for so long; once it has the reply, it is not read from (KIP-219). */
  readonly throttleMs?: number
  /** Gives back what the reply holds, once it is on the socket or the connection is gone. */
  readonly release?: () => void
  /** What `onSent` is to be told of; nobody is told of a reply without it. */
  readonly sent?: { readonly api: ApiName; readonly readyMs: number }
}

/** A reply on its way to the kernel. */
type Written = { readonly api: ApiName; readonly queueMs: number; readonly writtenMs: number }

/** Who asks; what a client says about itself in ApiVersions is kept for metrics and logs. */
export type Peer = {
  readonly address: string
  readonly port: number
  /** Name and version with a slash between them. */
  clientSoftware: string
  /** For requests that wait: nobody needs their answer any more. */
  readonly departure: Departure
  readonly fetchTurns: Turns
  readonly fetchPace: FetchPace
  readonly readAhead: ReadAhead
}

/** When one request of a connection is the oldest of those that are not answered. */
export type Turn = {
  readonly isOldest: boolean
  /** Resolves when the answer to it would leave at once, or when the connection is gone. */
  whenOldest(): Promise<void>
}

export type RequestHandler = (frame: Uint8Array, peer: Peer, turn: Turn) => Promise<Reply>

export type ConnectionOptions = {
  /** Of a server that pauses them. */
  readonly accepted: Socket
  /** When it was accepted: a socket whose peer has reset it meanwhile does not know it any more. */
  readonly address: string
  readonly clock: Clock
  readonly timers: Timers
  readonly memory: RequestMemory
  readonly buffers: BufferPool
  readonly load: Load
  readonly frameBytesMax: number
  readonly idleMsMax: number
  /** A peer that reads nothing of its responses for this long is closed. */
  readonly slowReaderMs: number
  readonly handle: RequestHandler
  /** The kernel has a reply: how long it waited behind others, and how long that took. */
  readonly onSent?: (api: ApiName, times: SentTimes) => void
  /** Called once. The reason is undefined when the peer left in order. */
  readonly onClosed: (connection: Connection, reason: CloseReason | undefined) => void
}

/** A handler that refuses to go on: the connection ends for this reason. */
export class RequestRefused extends Error {
  readonly closeReason: CloseReason

  constructor(closeReason: CloseReason) {
    super(closeReason.reason)
    this.closeReason = closeReason
  }
}

/**
 * Where the bytes of all connections arrive, but for the bulk of large frames: one at a time, and
 * nothing of it is looked at after the callback of the read.
 */
const INPUT = new Uint8Array(INPUT_BYTES)

const NOTHING = new Uint8Array()

/** Replies of one connection whose way to the kernel is timed at once: a peer may read none. */
const TIMED_REPLIES_MAX = 100

class InFlight implements Turn {
  reply: Reply | undefined
  readonly reservedBytes: number
  /** Where the frame took memory from; none when it needed no more than the first step. */
  readonly pool: MemoryPool | undefined
  #isOldest = false
  #whenOldest: PromiseWithResolvers<void> | undefined

  constructor(reservedBytes: number, pool: MemoryPool | undefined) {
    this.reservedBytes = reservedBytes
    this.pool = pool
  }

  get isOldest(): boolean {
    return this.#isOldest
  }

  async whenOldest(): Promise<void> {
    if (this.#isOldest) return
    this.#whenOldest ??= Promise.withResolvers()
    await this.#whenOldest.promise
  }

  becomeOldest(): void {
    this.#isOldest = true
    this.#whenOldest?.resolve()
  }
}

/**
 * One client. Requests are started in the order they arrive and may finish in any order; responses
 * leave in the order of the requests.
 *
 * No request is begun, and nothing read from the socket, while the peer has its share of requests
 * under way, leaves its responses unread, is throttled, or waits for memory: TCP then holds the peer
 * back. The share is one request while the load of all connections is high.
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
  readonly #pace = new FramePace()
  #firstBytes: Uint8Array = new Uint8Array()
  #lastActivityMs: number
  /** Since when responses are unread without a break. */
  #unreadSinceMs: number | undefined
  #unsentBytes = 0
  /** Replies that the kernel has not taken wholly; no more than so many are timed at once. */
  readonly #written: Written[] = []
  #isReading = true
  #isDraining = false
  #isClosed = false
  /** It ends for this reason, once the peer has read what was said. */
  #ending: { readonly reason: CloseReason; readonly atMs: number } | undefined
  #cancelThrottle: (() => void) | undefined
  #throttledUntilMs = Number.NEGATIVE_INFINITY
  #giveUpMemory: (() => void) | undefined
  /** Of the frame under way, once it needs more than the first step. */
  #framePool: MemoryPool | undefined
  #awaitedPool: MemoryPool | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#assembler = new FrameAssembler({
      frameBytesMax: options.frameBytesMax,
      buffers: options.buffers,
      mayBegin: () => this.#mayBegin(),
      reserve: (bytes, frame) => this.#reserve(bytes, frame),
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
    const departure = new Departure()
    this.peer = {
      address: options.address,
      port: socket.remotePort ?? 0,
      clientSoftware: 'unknown/unknown',
      departure,
      fetchTurns: new Turns(),
      fetchPace: new FetchPace(),
      readAhead: new ReadAhead({ timers: options.timers, departure }),
    }
    this.#lastActivityMs = options.clock.nowMs()
    // Counts the progress inside of a long write, too, which `drain` does not tell.
    socket.setTimeout(options.slowReaderMs, () => this.#standsStill())
    socket.on('drain', () => this.#readOrPause())
    socket.on('end', () => this.#peerEnded())
    // What a write meets after the peer has left in order is no failure.
    socket.on('error', ({ message }) =>
      this.close(socket.readableEnded ? undefined : { kind: 'network_error', reason: message }),
    )
    socket.on('close', () => this.close(this.#ending?.reason))
  }

  get isThrottled(): boolean {
    return this.#cancelThrottle !== undefined
  }

  /** When it last sent something, or was answered. */
  get lastActivityMs(): number {
    return this.#lastActivityMs
  }

  get inFlightCount(): number {
    return this.#inFlight.length
  }

  /** Replies that wait for those to earlier requests. */
  get queuedReplyCount(): number {
    return this.#inFlight.filter(({ reply }) => reply !== undefined).length
  }

  /** Memory that would be free without this connection: input, frames, responses. */
  get heldBytes(): number {
    const { reservedBytes, unconsumedBytes } = this.#assembler
    const ofRequests = this.#inFlight.reduce((sum, request) => sum + request.reservedBytes, 0)
    const { readableLength, writableLength } = this.#socket
    return reservedBytes + unconsumedBytes + ofRequests + readableLength + writableLength
  }

  /** Ends the connection when the peer is idle, dawdles inside a frame, or leaves responses unread. */
  sweep(nowMs: number): void {
    const { idleMsMax } = this.#options
    if (this.#ending !== undefined) {
      if (nowMs - this.#ending.atMs > LINGER_MS) this.close(this.#ending.reason)
    } else if (this.#isSlowSender(nowMs)) {
      const { receivedBytes, declaredBytes } = this.#assembler
      const reason = `a frame hardly moves: ${receivedBytes} of its ${declaredBytes} bytes are here`
      this.close({ kind: 'slow_sender', reason })
    } else if (this.#isSlowReader(nowMs)) {
      this.#closeSlowReader('it never reads all of its responses')
    } else if (this.#inFlight.length === 0 && nowMs - this.#lastActivityMs > idleMsMax) {
      this.close({ kind: 'idle', reason: `silent for ${idleMsMax} ms` })
    }
  }

  /** Reads no more requests; ends the connection once those under way are answered. */
  drain(): void {
    this.#isDraining = true
    this.#readOrPause()
    if (this.#inFlight.length === 0) this.#socket.end(() => this.close(undefined))
  }

  close(reason: CloseReason | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.peer.departure.end()
    this.#giveUpMemory?.()
    this.#cancelThrottle?.()
    this.#options.load.forget(this.#readOrPause)
    this.#options.load.changeUnsentBytes(-this.#unsentBytes)
    const held = this.#inFlight.splice(0)
    this.#options.load.changeQueuedRequests(-Math.max(0, held.length - 1))
    // Requests under way keep their frames until their handlers are done with them.
    for (const request of held) {
      request.becomeOldest()
      if (request.reply === undefined) continue
      request.reply.release?.()
      request.pool?.release(request.reservedBytes)
    }
    this.#framePool?.release(this.#assembler.reservedBytes)
    this.#socket.destroy()
    this.#options.onClosed(this, reason)
  }

  /** Nobody is hurried unless others wait for the memory of what is unread. */
  #isSlowReader(nowMs: number): boolean {
    const deadlineMs = this.#options.load.isHigh ? UNREAD_HIGH_LOAD_MS : UNREAD_DEADLINE_MS
    return nowMs - (this.#unreadSinceMs ?? nowMs) > deadlineMs
  }

  #isSlowSender(nowMs: number): boolean {
    const { large } = this.#options.memory
    const isContended = this.#framePool === large && large.waiterCount > 0
    return this.#pace.isTooSlow(this.#assembler, { nowMs, isContended })
  }

  /** `buffer` is the shared input, or the assembler's target, whose first `count` bytes have arrived. */
  #receive(count: number, buffer: Uint8Array): void {
    if (this.#isClosed || this.#isDraining) return
    this.#lastActivityMs = this.#options.clock.nowMs()
    if (buffer === INPUT && this.#firstBytes.length < FIRST_BYTES) {
      const first = INPUT.subarray(0, Math.min(count, FIRST_BYTES))
      this.#firstBytes = Buffer.concat([this.#firstBytes, first])
    }
    this.#assemble(buffer === INPUT ? 'push' : 'filled', count)
  }

  /** `count`: of the bytes that have arrived, for the steps that take some. */
  #assemble(step: 'push' | 'filled' | 'resume' | 'goOn', count = 0): void {
    try {
      if (step === 'push') this.#assembler.push(INPUT.subarray(0, count))
      else if (step === 'filled') this.#assembler.filled(count)
      else this.#assembler[step]()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      const foreign = foreignProtocol(this.#firstBytes)
      if (foreign === undefined) this.close({ kind: 'malformed', reason: error.message })
      else this.#end({ kind: 'foreign_protocol', reason: foreign.reason }, foreign.farewell)
      return
    }
    this.#pace.update(this.#assembler.isInsideFrame, this.#options.clock.nowMs())
    if (this.#assembler.blockedOnBytes > 0) this.#waitForMemory(this.#assembler.blockedOnBytes)
    this.#readOrPause()
  }

  /** What the frame held so far is given back once it has all that it asked for. */
  #reserve(bytes: number, frame: FrameUnderWay): boolean {
    const pool = this.#options.memory.poolFor(bytes, frame)
    if (!pool.tryAcquire(bytes)) {
      this.#awaitedPool = pool
      return false
    }
    this.#framePool?.release(this.#assembler.reservedBytes)
    this.#framePool = pool
    return true
  }

  #waitForMemory(bytes: number): void {
    invariant(this.#giveUpMemory === undefined, 'a connection waits for memory once')
    const pool = this.#awaitedPool
    invariant(pool !== undefined, 'a frame that was refused memory knows where')
    this.#giveUpMemory = pool.wait(bytes, () => {
      this.#giveUpMemory = undefined
      this.#framePool?.release(this.#assembler.reservedBytes)
      this.#framePool = pool
      this.#assemble('resume')
    })
  }

  #start(frame: Uint8Array, reservedBytes: number): void {
    const pool = this.#framePool
    this.#framePool = undefined
    if (this.#isClosed) {
      pool?.release(reservedBytes)
      return
    }
    const request = new InFlight(reservedBytes, pool)
    this.#inFlight.push(request)
    if (this.#inFlight.length > 1) this.#options.load.changeQueuedRequests(1)
    else request.becomeOldest()
    this.#options.handle(frame, this.peer, request).then(
      (reply) => this.#finish(request, reply),
      (error: unknown) => this.#fail(request, error),
    )
  }

  #finish(request: InFlight, reply: Reply): void {
    if (this.#isClosed || this.#ending !== undefined) {
      reply.release?.()
      request.pool?.release(request.reservedBytes)
      return
    }
    request.reply = reply
    this.#sendReady()
  }

  #fail(request: InFlight, error: unknown): void {
    if (this.#isClosed || this.#ending !== undefined) {
      request.pool?.release(request.reservedBytes)
      return
    }
    request.reply = { chunks: [] }
    if (error instanceof RequestRefused) this.close(error.closeReason)
    else if (error instanceof DecodeError) this.close({ kind: 'malformed', reason: error.message })
    else this.close({ kind: 'handler_failed', reason: 'a handler failed', error })
  }

  #sendReady(): void {
    let oldest = this.#inFlight[0]
    // One small answer, as nearly all are, needs no gathering.
    const isGathered = (oldest?.reply?.chunks.length ?? 0) > 1 || this.#inFlight.length > 1
    if (isGathered) this.#socket.cork()
    while (oldest?.reply !== undefined) {
      this.#inFlight.shift()
      if (this.#inFlight.length > 0) this.#options.load.changeQueuedRequests(-1)
      oldest.pool?.release(oldest.reservedBytes)
      this.#write(oldest.reply)
      if (oldest.reply.closeReason !== undefined) {
        if (isGathered) this.#socket.uncork()
        this.#end(oldest.reply.closeReason)
        return
      }
      if ((oldest.reply.throttleMs ?? 0) > 0) this.#throttle(oldest.reply.throttleMs ?? 0)
      oldest = this.#inFlight[0]
    }
    oldest?.becomeOldest()
    if (isGathered) this.#socket.uncork()
    this.#countUnsent()
    this.#lastActivityMs = this.#options.clock.nowMs()
    if (this.#isDraining && this.#inFlight.length === 0) {
      this.#socket.end(() => this.close(undefined))
    }
    this.#readOrPause()
  }

  #write({ chunks, release, sent }: Reply): void {
    if (sent !== undefined && this.#written.length < TIMED_REPLIES_MAX) {
      const writtenMs = this.#options.clock.nowMs()
      this.#written.push({ api: sent.api, queueMs: writtenMs - sent.readyMs, writtenMs })
    }
    const last = chunks.length - 1
    if (last < 0) release?.()
    for (let index = 0; index <= last; index += 1) {
      const chunk = chunks[index] ?? NOTHING
      if (index < last) this.#socket.write(chunk)
      else if (release === undefined) this.#socket.write(chunk, this.#countUnsent)
      else {
        this.#socket.write(chunk, () => {
          release()
          this.#countUnsent()
        })
      }
    }
  }

  /** One function for all writes: a response costs no closure. */
  readonly #countUnsent = (): void => {
    if (this.#isClosed) return
    const unsentBytes = this.#socket.writableLength
    const change = unsentBytes - this.#unsentBytes
    this.#unsentBytes = unsentBytes
    if (unsentBytes === 0) {
      this.#unreadSinceMs = undefined
      this.#tellSent()
    } else this.#unreadSinceMs ??= this.#options.clock.nowMs()
    if (change !== 0) this.#options.load.changeUnsentBytes(change)
    if (change < 0) this.#readOrPause()
  }

  #tellSent(): void {
    if (this.#written.length === 0) return
    const nowMs = this.#options.clock.nowMs()
    for (const { api, queueMs, writtenMs } of this.#written) {
      this.#options.onSent?.(api, { queueMs, sendMs: nowMs - writtenMs })
    }
    this.#written.length = 0
  }

  /** Says the last words, lets the peer read them, and then ends the connection. */
  #end(reason: CloseReason, farewell?: Uint8Array): void {
    this.#isDraining = true
    this.#ending = { reason, atMs: this.#options.clock.nowMs() }
    if (farewell === undefined) this.#socket.end()
    else this.#socket.end(farewell)
    // Input that is left unread would reset the connection, and take our words along.
    this.#socket.resume()
  }

  /** The peer sends no more, yet may still read: answer what it asked for without waiting, then end. */
  #peerEnded(): void {
    if (this.#isClosed) return
    if (this.#ending !== undefined) this.close(this.#ending.reason)
    else if (this.#assembler.isInsideFrame) {
      this.close({ kind: 'left_inside_frame', reason: 'the peer left inside a frame' })
    } else {
      this.peer.departure.announce()
      this.drain()
    }
  }

  /** A shorter wait of a later reply does not end the one that is on. */
  #throttle(throttleMs: number): void {
    const untilMs = this.#options.clock.nowMs() + throttleMs
    if (this.#cancelThrottle !== undefined && untilMs <= this.#throttledUntilMs) return
    this.#throttledUntilMs = untilMs
    this.#cancelThrottle?.()
    this.#cancelThrottle = this.#options.timers.after(throttleMs, () => {
      this.#cancelThrottle = undefined
      this.#readOrPause()
    })
  }

  /** The socket's own timeout: neither read nor written for `slowReaderMs`. */
  #standsStill(): void {
    if (this.#socket.writableLength === 0) return
    this.#closeSlowReader(`no response was read for ${this.#options.slowReaderMs} ms`)
  }

  #closeSlowReader(what: string): void {
    const unread = `${this.#socket.writableLength} bytes wait`
    this.close({ kind: 'slow_reader', reason: `${what}; ${unread}` })
  }

  #mayBegin(): boolean {
    if (this.#isClosed || this.#isDraining) return false
    if (this.#giveUpMemory !== undefined || this.#cancelThrottle !== undefined) return false
    const isHigh = this.#options.load.isHigh
    const requestsMax = isHigh ? 1 : IN_FLIGHT_PER_CONNECTION_MAX
    const unreadBytesMax = isHigh ? 1 : UNREAD_RESPONSE_BYTES_MAX
    return this.#inFlight.length < requestsMax && this.#socket.writableLength < unreadBytesMax
  }

  readonly #readOrPause = (): void => {
    if (this.#isClosed || this.#ending !== undefined) return
    const mayBegin = this.#mayBegin()
    if (mayBegin && this.#assembler.isHeld) {
      this.#assemble('goOn')
      return
    }
    if (!mayBegin && this.#options.load.isHigh) this.#options.load.whenLow(this.#readOrPause)
    if (mayBegin === this.#isReading) return
    this.#isReading = mayBegin
    const nowMs = this.#options.clock.nowMs()
    if (mayBegin) {
      this.#pace.resume(nowMs)
      this.#socket.resume()
    } else {
      this.#pace.pause(nowMs)
      this.#socket.pause()
    }
  }
}
