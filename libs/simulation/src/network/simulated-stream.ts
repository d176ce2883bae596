import { invariant } from '@fairlead/base'
import type { Kernel } from '../kernel.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { LinkConditions } from './simulated-network.ts'

export type ConnectionEvents = {
  readonly onBytes: (bytes: Uint8Array) => void
  /** Called once, also on the side that ended the connection. */
  readonly onClosed: (why: 'closed' | 'reset') => void
}

/**
 * The bytes of one direction of a connection: they arrive in order, in pieces of any size, until the
 * stream ends or is broken off.
 *
 * Invariants: one delivery is planned at most, and one is whenever something can arrive; nothing
 * arrives after the end.
 */
export class SimulatedStream {
  readonly from: string
  readonly #kernel: Kernel
  readonly #random: SeededRandom
  readonly #conditions: () => LinkConditions
  readonly #isCut: () => boolean
  /** Called when the link resets the connection. */
  onReset: () => void = () => {}
  #opening: (() => void) | undefined
  #pending: Uint8Array[] = []
  #end: 'closed' | 'reset' | undefined
  #receiver: ConnectionEvents | undefined
  #isPlanned = false
  #isOver = false

  constructor(options: {
    readonly from: string
    readonly kernel: Kernel
    readonly random: SeededRandom
    readonly conditions: () => LinkConditions
    readonly isCut: () => boolean
  }) {
    this.from = options.from
    this.#kernel = options.kernel
    this.#random = options.random
    this.#conditions = options.conditions
    this.#isCut = options.isCut
  }

  /** `arrived` runs when the request for a connection arrives. */
  open(arrived: () => void): void {
    this.#opening = arrived
    this.#plan()
  }

  receiveWith(receiver: ConnectionEvents): void {
    invariant(this.#receiver === undefined, 'a stream has one receiver')
    this.#receiver = receiver
    this.#plan()
  }

  /** Copies the bytes: the sender may use its buffer again. */
  send(bytes: Uint8Array): void {
    if (this.#isOver || this.#end !== undefined || bytes.length === 0) return
    this.#pending.push(new Uint8Array(bytes))
    this.#plan()
  }

  /** The receiver is told after everything that was sent before. */
  endWith(why: 'closed' | 'reset'): void {
    if (this.#isOver || this.#end !== undefined) return
    this.#end = why
    this.#plan()
  }

  /** The receiver is told at once, and what is on its way is lost. */
  breakOff(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#pending = []
    this.#receiver?.onClosed('reset')
  }

  /** The receiver is gone: nobody is told. */
  abandon(): void {
    this.#isOver = true
    this.#pending = []
  }

  /** The link is whole again. */
  resume(): void {
    this.#plan()
  }

  #deliver(): void {
    if (this.#isOver || this.#isCut()) return
    if (this.#random.chance(this.#conditions().resetChance)) {
      this.onReset()
      return
    }
    const opening = this.#opening
    this.#opening = undefined
    if (opening !== undefined) opening()
    else if (this.#receiver !== undefined) this.#deliverTo(this.#receiver)
    this.#plan()
  }

  #deliverTo(receiver: ConnectionEvents): void {
    if (this.#pending.length > 0) {
      receiver.onBytes(this.#takePiece())
    } else if (this.#end !== undefined) {
      this.#isOver = true
      receiver.onClosed(this.#end)
    }
  }

  /** All that is on its way, or a part of it, cut at any byte. */
  #takePiece(): Uint8Array {
    const bytes = joined(this.#pending)
    const isSplit = bytes.length > 1 && this.#random.chance(this.#conditions().splitChance)
    const taken = isSplit ? this.#random.between(1, bytes.length - 1) : bytes.length
    this.#pending = taken < bytes.length ? [bytes.subarray(taken)] : []
    return bytes.slice(0, taken)
  }

  #plan(): void {
    const hasWork =
      this.#opening !== undefined || this.#pending.length > 0 || this.#end !== undefined
    if (this.#isPlanned || this.#isOver || this.#isCut() || !hasWork) return
    if (this.#opening === undefined && this.#receiver === undefined) return
    const { delayMinMs, delayMaxMs } = this.#conditions()
    const spanMs = delayMaxMs - delayMinMs
    const delayMs = delayMinMs + (this.#random.uint32() / 0x1_0000_0000) * spanMs
    this.#isPlanned = true
    this.#kernel.after(delayMs, 'network', () => {
      this.#isPlanned = false
      this.#deliver()
    })
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let position = 0
  for (const part of parts) {
    bytes.set(part, position)
    position += part.length
  }
  return bytes
}
