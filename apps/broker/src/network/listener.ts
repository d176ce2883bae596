import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import type { BufferPool, Clock, Timers } from '@fairlead/base'
import { CONNECTION_LOG_LINES_MAX, CONNECTION_LOG_WINDOW_MS } from '../limits.ts'
import { CLOSE_KINDS, type CloseKind, type CloseReason, EXCESS } from './close-kind.ts'
import { Connection, type ConnectionOptions, type RequestHandler } from './connection.ts'
import type { ConnectionSlots } from './connection-slots.ts'
import { LimitedLog } from './limited-log.ts'
import type { Load } from './load.ts'
import type { RequestMemory } from './request-memory.ts'

const SWEEP_INTERVAL_MS = 1_000
/** A peer that vanished without a word is noticed by the kernel some time after this. */
const KEEP_ALIVE_MS = 60_000
/** Connections that the kernel completes while we are busy; it cuts this to `net.core.somaxconn`. */
const BACKLOG_MAX = 4_096

export type ListenerOptions = {
  /** As configured, for logs and metrics. */
  readonly name: string
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly slots: ConnectionSlots
  readonly idleMsMax: number
  readonly slowReaderMs: number
  readonly frameBytesMax: number
  readonly memory: RequestMemory
  readonly buffers: BufferPool
  readonly load: Load
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: { warn(fields: object, message: string): void }
  readonly handle: RequestHandler
  readonly onSent?: NonNullable<ConnectionOptions['onSent']>
}

/** Accepts connections up to the limits, and ends them in order when the broker stops. */
export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  /** Accepted, and let in or closed later, by how to give them up. */
  readonly #delayed = new Map<Socket, () => void>()
  readonly #closed = new Map<CloseKind, number>(CLOSE_KINDS.map((kind) => [kind, 0]))
  readonly #failures: LimitedLog
  /** Apart, so that a flood of bad peers does not hide a failure of our own. */
  readonly #handlerFailures: LimitedLog
  #cancelSweep: () => void = () => {}
  #whenEmpty: (() => void) | undefined
  #acceptedTotal = 0
  #throttledTotal = 0
  #aboveQuotaTotal = 0

  constructor(options: ListenerOptions) {
    this.#options = options
    const limitedLog = (): LimitedLog =>
      new LimitedLog({
        clock: options.clock,
        linesMax: CONNECTION_LOG_LINES_MAX,
        windowMs: CONNECTION_LOG_WINDOW_MS,
        write: (fields, message) => options.logger.warn(fields, message),
      })
    this.#failures = limitedLog()
    this.#handlerFailures = limitedLog()
    // A half-closed peer still reads its responses: the connection decides when it ends.
    this.#server = createServer(
      {
        allowHalfOpen: true,
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      },
      (socket) => this.#accept(socket),
    )
  }

  get name(): string {
    return this.#options.name
  }

  /** The port that is bound; known once `listen` has resolved. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  get acceptedTotal(): number {
    return this.#acceptedTotal
  }

  /** Connections that had to wait for `max.connection.creation.rate`. */
  get throttledTotal(): number {
    return this.#throttledTotal
  }

  /** Connections that got nothing and were closed, for `connection_creation_rate` of their address. */
  get aboveQuotaTotal(): number {
    return this.#aboveQuotaTotal
  }

  /** How many connections ended so far, by reason; those whose peer left in order are not counted. */
  get closedTotals(): ReadonlyMap<CloseKind, number> {
    return this.#closed
  }

  get connections(): Iterable<Connection> {
    return this.#connections
  }

  get inFlightCount(): number {
    let count = 0
    for (const connection of this.#connections) count += connection.inFlightCount
    return count
  }

  /** Replies that wait for those to earlier requests of their connection. */
  get queuedReplyCount(): number {
    let count = 0
    for (const connection of this.#connections) count += connection.queuedReplyCount
    return count
  }

  /** Connections that are not read from, since their client has to wait (KIP-219). */
  get mutedCount(): number {
    let count = 0
    for (const connection of this.#connections) count += Number(connection.isThrottled)
    return count
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options
    const backlog = BACKLOG_MAX
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog }, () => {
        this.#server.off('error', reject)
        // Such as no file left for a connection: the next one is accepted when there is.
        this.#server.on('error', (error) => this.#failures.write({ err: error }, 'accept failed'))
        resolve()
      })
    })
    this.#scheduleSweep()
  }

  /** Accepts no more, lets requests under way finish until the deadline, then cuts the rest. */
  async drain(deadlineMs: number): Promise<void> {
    this.#cancelSweep()
    this.#server.close()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whenEmpty = resolve
    for (const [socket, giveUp] of this.#delayed) {
      giveUp()
      socket.destroy()
    }
    for (const connection of this.#connections) connection.drain()
    if (this.#connections.size === 0) resolve()
    const cancelDeadline = this.#options.timers.after(deadlineMs, resolve)
    await promise
    cancelDeadline()
    for (const connection of this.#connections) connection.close(undefined)
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? 'unknown'
    const slot = this.#options.slots.take(address, this.#options.clock.nowMs())
    if (!slot.ok) {
      socket.on('error', () => {})
      socket.destroy()
      this.#count(address, { kind: 'refused', reason: slot.reason })
      return
    }
    this.#acceptedTotal += 1
    if (slot.isAboveQuota) {
      this.#aboveQuotaTotal += 1
      this.#closeLater(socket, address, slot.delayMs)
    } else if (slot.delayMs > 0) {
      this.#throttledTotal += 1
      this.#letInLater(socket, address, slot.delayMs)
    } else this.#letIn(socket, address)
  }

  #letInLater(socket: Socket, address: string, delayMs: number): void {
    const { giveUp, ignore } = this.#delay(socket, address, delayMs, () => {
      if (this.#options.slots.excessCount > 0) {
        giveUp()
        socket.destroy()
        this.#count(address, EXCESS)
        return
      }
      this.#delayed.delete(socket)
      socket.off('close', giveUp)
      socket.off('error', ignore)
      this.#letIn(socket, address)
    })
  }

  #closeLater(socket: Socket, address: string, delayMs: number): void {
    const { giveUp } = this.#delay(socket, address, delayMs, () => {
      giveUp()
      socket.destroy()
    })
  }

  #delay(
    socket: Socket,
    address: string,
    delayMs: number,
    then: () => void,
  ): { readonly giveUp: () => void; readonly ignore: () => void } {
    const cancel = this.#options.timers.after(delayMs, then)
    const ignore = (): void => {}
    const giveUp = (): void => {
      cancel()
      if (this.#delayed.delete(socket)) this.#options.slots.giveBack(address)
    }
    this.#delayed.set(socket, giveUp)
    socket.once('close', giveUp)
    socket.on('error', ignore)
    return { giveUp, ignore }
  }

  #letIn(accepted: Socket, address: string): void {
    const onClosed = this.#onClosed
    this.#connections.add(new Connection({ ...this.#options, accepted, address, onClosed }))
  }

  readonly #onClosed = (connection: Connection, reason: CloseReason | undefined): void => {
    const { address, port } = connection.peer
    this.#options.slots.giveBack(address)
    this.#connections.delete(connection)
    if (reason !== undefined) this.#count(`${address}:${port}`, reason)
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }

  #count(client: string, { kind, reason, error }: CloseReason): void {
    this.#closed.set(kind, (this.#closed.get(kind) ?? 0) + 1)
    if (kind === 'idle') return
    const message = 'connection closed'
    if (error === undefined) this.#failures.write({ client, kind, reason }, message)
    else this.#handlerFailures.write({ client, kind, reason, err: error }, message)
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#options.timers.after(SWEEP_INTERVAL_MS, () => {
      const nowMs = this.#options.clock.nowMs()
      for (const connection of this.#connections) connection.sweep(nowMs)
      this.#scheduleSweep()
    })
  }
}
