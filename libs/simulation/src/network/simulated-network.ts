import { invariant } from '@fairlead/base'
import type { Kernel } from '../kernel.ts'
import type { SeededRandom } from '../seeded-random.ts'
import { type ConnectionEvents, SimulatedStream } from './simulated-stream.ts'

/** How a link behaves, from one host to another. */
export type LinkConditions = {
  readonly delayMinMs: number
  readonly delayMaxMs: number
  /** Chance that a delivery resets the connection instead: both sides lose what was on its way. */
  readonly resetChance: number
  /** Chance that bytes arrive in two pieces; what waits behind arrives together. */
  readonly splitChance: number
}

export const CALM_LINK: LinkConditions = {
  delayMinMs: 0.1,
  delayMaxMs: 1,
  resetChance: 0,
  splitChance: 0.2,
}

/** One side of a connection. */
export type SimulatedConnection = {
  /** Bytes arrive whole and in order, or not at all; in pieces of any size. */
  send(bytes: Uint8Array): void
  /** Ends it: what was sent before still arrives. */
  close(): void
}

export type Accept = (connection: SimulatedConnection) => ConnectionEvents

/**
 * Byte streams between hosts with names. Order holds within a connection, as in TCP; across
 * connections anything may overtake anything.
 *
 * Links have a direction: a cut one keeps its bytes until it is healed, and nobody is told.
 */
export class SimulatedNetwork {
  readonly #kernel: Kernel
  readonly #random: SeededRandom
  readonly #listeners = new Map<string, Accept>()
  readonly #connections = new Set<Connection>()
  readonly #cutLinks = new Set<string>()
  #conditions: LinkConditions = CALM_LINK

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#random = kernel.random.fork()
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Of every link, from now on. */
  setConditions(conditions: LinkConditions): void {
    this.#conditions = conditions
  }

  listen(host: string, accept: Accept): void {
    invariant(!this.#listeners.has(host), 'a host has one listener')
    this.#listeners.set(host, accept)
  }

  /** Begins a connection. When nobody listens, `onClosed` tells after a while. */
  connect(from: string, to: string, events: ConnectionEvents): SimulatedConnection {
    const connection = new Connection({
      there: this.#stream(from, to),
      back: this.#stream(to, from),
      onClosed: (closed) => this.#connections.delete(closed),
    })
    this.#connections.add(connection)
    connection.open(events, () => this.#listeners.get(to))
    return connection.client
  }

  /** The host's process ends: its connections are reset, as its kernel would do. */
  crash(host: string): void {
    this.#listeners.delete(host)
    for (const connection of this.#connections) {
      if (connection.touches(host)) connection.reset(host)
    }
  }

  cut(from: string, to: string): void {
    this.#cutLinks.add(linkName(from, to))
  }

  heal(): void {
    this.#cutLinks.clear()
    for (const connection of this.#connections) connection.resume()
  }

  #stream(from: string, to: string): SimulatedStream {
    return new SimulatedStream({
      from,
      kernel: this.#kernel,
      random: this.#random,
      conditions: () => this.#conditions,
      isCut: () => this.#cutLinks.has(linkName(from, to)),
    })
  }
}

/** Two streams, and the life that they share. */
class Connection {
  readonly #there: SimulatedStream
  readonly #back: SimulatedStream
  readonly #onClosed: (connection: Connection) => void
  readonly client: SimulatedConnection

  constructor(options: {
    readonly there: SimulatedStream
    readonly back: SimulatedStream
    readonly onClosed: (connection: Connection) => void
  }) {
    this.#there = options.there
    this.#back = options.back
    this.#onClosed = options.onClosed
    this.client = this.#sideOf(this.#there)
    this.#there.onReset = () => this.#resetBoth()
    this.#back.onReset = () => this.#resetBoth()
  }

  open(clientEvents: ConnectionEvents, listener: () => Accept | undefined): void {
    this.#back.receiveWith(this.#receiver(clientEvents))
    this.#there.open(() => {
      const accept = listener()
      if (accept === undefined) this.#resetBoth()
      else this.#there.receiveWith(this.#receiver(accept(this.#sideOf(this.#back))))
    })
  }

  touches(host: string): boolean {
    return this.#there.from === host || this.#back.from === host
  }

  /** What the host sent may still arrive, then the reset; what was sent to it is lost. */
  reset(host: string): void {
    const [lost, kept] =
      this.#there.from === host ? [this.#back, this.#there] : [this.#there, this.#back]
    lost.abandon()
    kept.endWith('reset')
    this.#onClosed(this)
  }

  resume(): void {
    this.#there.resume()
    this.#back.resume()
  }

  #sideOf(stream: SimulatedStream): SimulatedConnection {
    return { send: (bytes) => stream.send(bytes), close: () => stream.endWith('closed') }
  }

  /** The end of one stream is the end of both: nobody here uses half-closed connections. */
  #receiver(events: ConnectionEvents): ConnectionEvents {
    return {
      onBytes: (bytes) => events.onBytes(bytes),
      onClosed: (why) => {
        events.onClosed(why)
        this.#resetBoth()
      },
    }
  }

  #resetBoth(): void {
    this.#there.breakOff()
    this.#back.breakOff()
    this.#onClosed(this)
  }
}

function linkName(from: string, to: string): string {
  return `${from} → ${to}`
}
