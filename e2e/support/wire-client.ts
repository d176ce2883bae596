import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import {
  type ApiName,
  type RequestBody,
  type ResponseOf,
  decodeResponse,
  encodeRequest,
} from '@fairlead/protocol'

const ANSWER_DEADLINE_MS = 120_000
const SIZE_BYTES = 4

/** A connection that sends exactly the requests it is told to, one at a time. */
export class WireClient implements AsyncDisposable {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #isClosed = false
  #wake: () => void = () => {}
  #correlationId = 0

  static async connect(address: string): Promise<WireClient> {
    const [host = '', port = ''] = address.split(':')
    const socket = connect({ host, port: Number(port), noDelay: true })
    await once(socket, 'connect')
    return new WireClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    socket.once('close', () => {
      this.#isClosed = true
      this.#wake()
    })
  }

  /** Sends a request and decodes its response. */
  async request<Name extends ApiName>(
    name: Name,
    version: number,
    body: RequestBody<Name>,
  ): Promise<ResponseOf<Name>> {
    const frame = await this.exchange(name, version, body)
    if (frame === undefined)
      throw new Error(`the broker closed the connection at ${name} ${version}`)
    return decodeResponse(name, version, frame).body
  }

  /** Sends a request; the frame of its response, or undefined when the broker hangs up. */
  exchange<Name extends ApiName>(
    name: Name,
    version: number,
    body: RequestBody<Name>,
  ): Promise<Uint8Array | undefined> {
    this.#correlationId += 1
    const header = { name, version, correlationId: this.#correlationId, clientId: 'wire' } as const
    return this.exchangeBytes(Buffer.concat(encodeRequest({ ...header, body })))
  }

  /** Sends bytes as they are; the frame that answers, or undefined when the broker hangs up. */
  async exchangeBytes(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    this.#socket.write(bytes)
    const deadlineMs = performance.now() + ANSWER_DEADLINE_MS
    while (!this.#hasFrame() && !this.#isClosed) {
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) throw new Error(`no answer within ${ANSWER_DEADLINE_MS} ms`)
      await this.#change(leftMs)
    }
    if (!this.#hasFrame()) return undefined
    const end = SIZE_BYTES + this.#received.readInt32BE()
    const frame = new Uint8Array(this.#received.subarray(SIZE_BYTES, end))
    this.#received = this.#received.subarray(end)
    return frame
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return
    const closed = once(this.#socket, 'close')
    this.#socket.destroy()
    await closed
  }

  #hasFrame(): boolean {
    const { length } = this.#received
    return length >= SIZE_BYTES && length >= SIZE_BYTES + this.#received.readInt32BE()
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
