import { BufferPool } from '@fairlead/base'
import {
  type ApiName,
  type RequestBody,
  type ResponseOf,
  decodeResponse,
  encodeRequest,
} from '@fairlead/protocol'
import type { SimulatedConnection, SimulatedLife, SimulatedNetwork } from '@fairlead/simulation'
import { FrameAssembler } from '../../../apps/broker/src/network/frame-assembler.ts'
import { require } from '../finding.ts'
import { BROKER_HOST } from './simulated-broker.ts'
import { SMALL_BUFFERS } from '../small-buffers.ts'

/** Versions that the clients of the simulation speak: the last ones with names of topics. */
const VERSIONS = {
  CreateTopics: 5,
  InitProducerId: 4,
  Produce: 9,
  Fetch: 11,
  JoinGroup: 7,
  SyncGroup: 5,
  Heartbeat: 4,
  OffsetCommit: 8,
  OffsetFetch: 8,
} as const satisfies Partial<Record<ApiName, number>>

type Called = keyof typeof VERSIONS

/** A request without an answer for so long: the connection is given up. */
const REQUEST_TIMEOUT_MS = 3000
const FRAME_BYTES_MAX = 10_000_000

type Waiting = {
  readonly name: Called
  readonly correlationId: number
  readonly answered: (response: never) => void
  readonly cancelTimeout: () => void
}

/** One connection to the broker: requests may be pipelined, and are answered in order. */
export class ClientConnection {
  readonly #life: SimulatedLife
  readonly #clientId: string
  readonly #connection: SimulatedConnection
  readonly #onLost: () => void
  readonly #waiting: Waiting[] = []
  #correlationId = 0
  #isLost = false

  constructor(options: {
    readonly network: SimulatedNetwork
    readonly life: SimulatedLife
    readonly clientId: string
    /** Called once: what was asked and not answered is in doubt. */
    readonly onLost: () => void
  }) {
    this.#life = options.life
    this.#clientId = options.clientId
    this.#onLost = options.onLost
    const assembler = new FrameAssembler({
      frameBytesMax: FRAME_BYTES_MAX,
      mayBegin: () => true,
      reserve: () => true,
      buffers: new BufferPool(SMALL_BUFFERS),
      onFrame: (frame) => this.#answer(frame),
    })
    this.#connection = options.network.connect(options.clientId, BROKER_HOST, {
      onBytes: (bytes) => {
        if (!this.#isLost) assembler.push(bytes)
      },
      onClosed: () => this.giveUp(),
    })
  }

  call<Name extends Called>(
    name: Name,
    body: RequestBody<Name>,
    answered: (response: ResponseOf<Name>) => void,
  ): void {
    if (this.#isLost) return
    this.#correlationId += 1
    const correlationId = this.#correlationId
    const cancelTimeout = this.#life.after(REQUEST_TIMEOUT_MS, () => this.giveUp(), 'timeout')
    this.#waiting.push({ name, correlationId, answered, cancelTimeout })
    const version = VERSIONS[name]
    const chunks = encodeRequest({ name, version, correlationId, clientId: this.#clientId, body })
    for (const chunk of chunks) this.#connection.send(chunk)
  }

  /** Ends the connection as if it had been lost. */
  giveUp(): void {
    if (this.#isLost) return
    this.#isLost = true
    for (const { cancelTimeout } of this.#waiting) cancelTimeout()
    this.#connection.close()
    this.#onLost()
  }

  #answer(frame: Uint8Array): void {
    const waiting = this.#waiting.shift()
    require(waiting !== undefined, () => 'an answer belongs to a request')
    waiting.cancelTimeout()
    const { name, correlationId, answered } = waiting
    const response = decodeResponse(name, VERSIONS[name], frame)
    require(response.correlationId === correlationId, () => `${name} is answered in order`)
    answered(response.body as never)
  }
}
