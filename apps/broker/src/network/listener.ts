import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import type { BufferPool, Clock, Timers } from '@fairlead/base'
import { CONNECTION_LOG_LINES_MAX, CONNECTION_LOG_WINDOW_MS } from '../limits.ts'
import { Connection, type ConnectionFailure, type RequestHandler } from './connection.ts'
import type { ConnectionSlots } from './connection-slots.ts'
import { LimitedLog } from './limited-log.ts'
import type { MemoryPool } from './memory-pool.ts'

const SWEEP_INTERVAL_MS = 1_000

export type ListenerOptions = {
  /** As configured, for logs and metrics. */
  readonly name: string
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly slots: ConnectionSlots
  readonly idleMsMax: number
  readonly frameBytesMax: number
  readonly memory: MemoryPool
  readonly buffers: BufferPool
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: { warn(fields: object, message: string): void }
  readonly handle: RequestHandler
}

/** Accepts connections up to the limits, and ends them in order when the broker stops. */
export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  readonly #failures: LimitedLog
  /** Apart, so that a flood of bad peers does not hide a failure of our own. */
  readonly #handlerFailures: LimitedLog
  #cancelSweep: () => void = () => {}
  #whenEmpty: (() => void) | undefined
  #acceptedTotal = 0
  #failedTotal = 0

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
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.#accept(socket),
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

  get failedTotal(): number {
    return this.#failedTotal
  }

  get inFlightCount(): number {
    let count = 0
    for (const connection of this.#connections) count += connection.inFlightCount
    return count
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
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
    for (const connection of this.#connections) connection.drain()
    if (this.#connections.size === 0) resolve()
    const cancelDeadline = this.#options.timers.after(deadlineMs, resolve)
    await promise
    cancelDeadline()
    for (const connection of this.#connections) connection.close(undefined)
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? 'unknown'
    const refusal = this.#options.slots.take(address)
    if (refusal !== undefined) {
      socket.on('error', () => {})
      socket.destroy()
      this.#logFailure(address, { reason: refusal })
      return
    }
    this.#acceptedTotal += 1
    const { clock, memory, buffers, frameBytesMax, idleMsMax, handle } = this.#options
    this.#connections.add(
      new Connection({
        accepted: socket,
        clock,
        memory,
        buffers,
        frameBytesMax,
        idleMsMax,
        handle,
        onClosed: (connection, failure) => this.#closed(connection, failure),
      }),
    )
  }

  #closed(connection: Connection, failure: ConnectionFailure | undefined): void {
    const { address } = connection.peer
    this.#options.slots.giveBack(address)
    this.#connections.delete(connection)
    if (failure !== undefined) this.#logFailure(`${address}:${connection.peer.port}`, failure)
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }

  #logFailure(client: string, { reason, error }: ConnectionFailure): void {
    this.#failedTotal += 1
    if (error === undefined) this.#failures.write({ client, reason }, 'connection closed')
    else this.#handlerFailures.write({ client, reason, err: error }, 'connection closed')
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#options.timers.after(SWEEP_INTERVAL_MS, () => {
      const nowMs = this.#options.clock.nowMs()
      for (const connection of this.#connections) connection.sweep(nowMs)
      this.#scheduleSweep()
    })
  }
}
