import { type Socket, connect } from 'node:net'
import {
  APIS,
  type ApiName,
  type RequestBody,
  type ResponseOf,
  decodeResponse,
  encodeRequest,
} from '@fairlead/protocol'

const SIZE_PREFIX_BYTES = 4

/** A client on one connection, made of our own codecs; requests may be pipelined. */
export class TestClient {
  readonly socket: Socket
  readonly #clientId: string
  readonly #waiting: ((frame: Uint8Array | undefined) => void)[] = []
  #buffered: Buffer = Buffer.alloc(0)
  #correlationId = 0
  #isClosed = false

  constructor(port: number, clientId = 'test') {
    this.#clientId = clientId
    this.socket = connect({ host: '127.0.0.1', port })
    this.socket.setNoDelay(true)
    this.socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.socket.on('error', () => {})
    this.socket.on('close', () => this.#end())
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Sends a request in the newest version, unless told otherwise, and resolves with its answer. */
  async call<Name extends ApiName>(
    name: Name,
    body: RequestBody<Name>,
    version: number = APIS[name].maxVersion,
  ): Promise<ResponseOf<Name>> {
    this.#correlationId += 1
    const correlationId = this.#correlationId
    const answered = this.frame()
    this.send(encodeRequest({ name, version, correlationId, clientId: this.#clientId, body }))
    const frame = await answered
    if (frame === undefined) throw new Error(`no answer to ${name} v${version}: connection closed`)
    const response = decodeResponse(name, version, frame)
    if (response.correlationId !== correlationId) throw new Error('answers are out of order')
    return response.body
  }

  send(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.socket.write(chunk)
  }

  /** The next frame that arrives, or undefined when the connection ends first. */
  frame(): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      if (this.#isClosed) resolve(undefined)
      else this.#waiting.push(resolve)
    })
  }

  close(): void {
    this.socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, chunk])
    while (this.#buffered.length >= SIZE_PREFIX_BYTES) {
      const end = SIZE_PREFIX_BYTES + this.#buffered.readInt32BE(0)
      if (this.#buffered.length < end) return
      const frame = Uint8Array.from(this.#buffered.subarray(SIZE_PREFIX_BYTES, end))
      this.#buffered = this.#buffered.subarray(end)
      this.#waiting.shift()?.(frame)
    }
  }

  #end(): void {
    this.#isClosed = true
    for (const resolve of this.#waiting.splice(0)) resolve(undefined)
  }
}
