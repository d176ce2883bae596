import { type Socket, connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { DecodeError, InvariantViolation, invariant } from '@fairlead/base'
import { apiName } from './api-names.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { type ClientSecurity, tlsOptions } from './client-security.ts'
import {
  abortedError,
  expectNoError,
  lostError,
  timeoutError,
  toKafkaError,
} from './error-codes.ts'
import { KafkaError } from './kafka-error.ts'
import { type VersionRange, apiVersionsExchange } from './requests/api-versions.ts'
import type { Exchange } from './requests/exchange.ts'
import { ResponseFrames } from './response-frames.ts'
import { SaslRefusal, authenticate } from './sasl.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** A session that a broker has ended (KIP-368) ends the connection with the next request: ours ends before. */
const SESSION_SHARE = 0.8
/** Sooner than firewalls and balancers forget a connection that says nothing, which they do after four minutes and more. */
const KEEP_ALIVE_DELAY_MS = 60_000
const TAGGED_HEADERS = { request: true, response: true } as const
const CORRELATION_IDS = 2 ** 31
const LENGTH_BYTES = 4
/** What is longer, Node takes for no time at all: Kafka's largest time limit and the wait of a fetch, together. */
const TIMER_MAX_MS = 2 ** 31 - 1

export type BrokerAddress = { readonly host: string; readonly port: number }

export type CallOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined }

type OpenOptions = CallOptions & {
  readonly clientId: string
  readonly security: ClientSecurity | undefined
}

/** What the socket tells whoever waits for it. */
type Waiting = {
  readonly received: (frame: Buffer) => void
  readonly lost: (cause: Error | undefined) => void
}

/**
 * One connection to a broker, with one request in flight at a time, so that a long poll delays
 * nothing and dropping a request drops exactly its connection.
 *
 * A request that times out or is aborted destroys the connection: its response would still arrive.
 */
export class BrokerConnection {
  readonly #socket: Socket
  readonly #address: BrokerAddress
  readonly #clientId: string
  readonly #frames = new ResponseFrames()
  #versions: ReadonlyMap<number, VersionRange> = new Map()
  #waiting: Waiting | undefined
  #correlationId = 0
  #isOpen = false
  #isDestroyed = false
  /** When the broker stops believing who we are. */
  #sessionEndMs = Number.POSITIVE_INFINITY

  private constructor(address: BrokerAddress, { clientId, security }: OpenOptions) {
    this.#address = address
    this.#clientId = clientId
    const { host, port } = address
    const tls = security?.tls
    this.#socket =
      tls === undefined
        ? connect({ host, port })
        : connectTls({ host, port, ...tlsOptions(tls, host) })
    this.#socket.setNoDelay(true)
    this.#socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
    let cause: Error | undefined
    this.#socket.on('error', (error) => {
      cause = error
    })
    this.#socket.on('close', () => this.#lose(cause))
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  /**
   * @throws {KafkaError} NETWORK, with a {@link SaslRefusal} or an error of TLS as its cause; TIMEOUT; ABORTED;
   * INVALID_CONFIG; CORRUPT_RESPONSE; what the broker answers ApiVersions with.
   */
  static async open(address: BrokerAddress, options: OpenOptions): Promise<BrokerConnection> {
    const opened = new BrokerConnection(address, options)
    const deadlineMs = performance.now() + Math.min(options.timeoutMs, CONNECT_TIMEOUT_MS)
    const rest = (): CallOptions => ({
      signal: options.signal,
      timeoutMs: Math.max(1, deadlineMs - performance.now()),
    })
    const { tls, sasl } = options.security ?? {}
    await opened.#connected(tls === undefined ? 'connect' : 'secureConnect', rest())
    const versions = apiVersionsExchange()
    const { errorCode, apiKeys } = await opened.#request(versions, versions.maxVersion, rest())
    if (errorCode !== 0) opened.destroy()
    expectNoError(errorCode, 'ApiVersions')
    opened.#versions = new Map(apiKeys.map((range) => [range.apiKey, range]))
    if (sasl !== undefined) {
      // Of every version that has the rest of what is asked of a broker here.
      const send = <Response>(exchange: Exchange<Response>) =>
        opened.#request(exchange, exchange.maxVersion, rest())
      try {
        const lifetimeMs = await authenticate(send, sasl)
        if (lifetimeMs > 0) opened.#sessionEndMs = performance.now() + SESSION_SHARE * lifetimeMs
      } catch (error) {
        opened.destroy()
        if (!(error instanceof SaslRefusal)) throw error
        throw lostError(`the connection to ${address.host}:${address.port}`, error)
      }
    }
    return opened
  }

  /** False once the broker is about to ask again who we are: the next connection tells it. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isDestroyed && performance.now() < this.#sessionEndMs
  }

  /**
   * Sends a request in the highest version that both sides have. An error code in the response is part of the
   * answer.
   *
   * @throws {KafkaError} UNSUPPORTED_VERSION, NETWORK, TIMEOUT, ABORTED, CORRUPT_RESPONSE.
   */
  async exchange<Response>(exchange: Exchange<Response>, options: CallOptions): Promise<Response> {
    return this.#request(exchange, this.#pickVersion(exchange), options)
  }

  /** Whether the broker speaks this version of a request. */
  has({ key, version }: { readonly key: number; readonly version: number }): boolean {
    const theirs = this.#versions.get(key)
    return theirs !== undefined && version >= theirs.minVersion && version <= theirs.maxVersion
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#socket.destroy()
  }

  #pickVersion(ours: Pick<Exchange<unknown>, 'key' | 'minVersion' | 'maxVersion'>): number {
    const theirs = this.#versions.get(ours.key)
    const version = Math.min(ours.maxVersion, theirs?.maxVersion ?? -1)
    if (theirs !== undefined && version >= Math.max(ours.minVersion, theirs.minVersion))
      return version
    const range = theirs === undefined ? 'no version' : `${theirs.minVersion}-${theirs.maxVersion}`
    throw new KafkaError(
      `${this.#describe(ours.key)}: the broker has ${range}, we have ${ours.minVersion}-${ours.maxVersion}`,
      { code: 'UNSUPPORTED_VERSION', retryable: false },
    )
  }

  #connected(event: 'connect' | 'secureConnect', options: CallOptions): Promise<void> {
    const what = `a connection to ${this.#address.host}:${this.#address.port}`
    return this.#waitFor<void>(what, options, (resolve) => {
      this.#socket.once(event, () => {
        this.#isOpen = true
        resolve()
      })
      return () => {
        throw new DecodeError('a response before the first request', 0)
      }
    })
  }

  #request<Response>(
    exchange: Exchange<Response>,
    version: number,
    options: CallOptions,
  ): Promise<Response> {
    const { key, taggedHeaders = TAGGED_HEADERS } = exchange
    return this.#waitFor<Response>(this.#describe(key), options, (resolve) => {
      this.#correlationId = (this.#correlationId + 1) % CORRELATION_IDS
      const correlationId = this.#correlationId
      const writer = new ByteWriter().int32(0).int16(key).int16(version).int32(correlationId)
      writer.plainString(this.#clientId)
      if (taggedHeaders.request) writer.tags()
      exchange.encode(writer)
      const frame = writer.bytes
      frame.writeInt32BE(frame.length - LENGTH_BYTES)
      this.#socket.write(frame)
      return (response) => {
        const reader = new ByteReader(response)
        if (reader.int32() !== correlationId) {
          throw new DecodeError('the response is that of another request', 0)
        }
        if (taggedHeaders.response) reader.skipTaggedFields()
        resolve(exchange.decode(reader))
      }
    })
  }

  /** `start` begins what ends with `resolve`, and says what a frame does that comes meanwhile. */
  #waitFor<Value>(
    what: string,
    { signal, timeoutMs }: CallOptions,
    start: (resolve: (value: Value) => void) => (frame: Buffer) => void,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      invariant(this.#waiting === undefined, 'a connection has one request in flight')
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
        this.#waiting = undefined
      }
      const fail = (error: unknown) => {
        end()
        this.destroy()
        reject(error instanceof InvariantViolation ? error : toKafkaError(error, what))
      }
      const abort = () => fail(abortedError(what))
      const timer = setTimeout(
        () => fail(timeoutError(what, timeoutMs)),
        Math.min(timeoutMs, TIMER_MAX_MS),
      )
      signal?.addEventListener('abort', abort)
      let decode: ((frame: Buffer) => void) | undefined
      this.#waiting = {
        received: (frame) => {
          try {
            decode?.(frame)
          } catch (error) {
            fail(error)
          }
        },
        lost: (cause) => fail(lostError(what, cause)),
      }
      if (signal?.aborted === true) return abort()
      if (this.#isDestroyed) return fail(lostError(what))
      try {
        decode = start((value) => {
          end()
          resolve(value)
        })
      } catch (error) {
        fail(error)
      }
    })
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.receive(chunk)) {
        // Nobody waits for it: the broker speaks of something else than we do.
        if (this.#waiting === undefined) return this.destroy()
        this.#waiting.received(frame)
      }
    } catch (error) {
      this.#lose(error instanceof Error ? error : undefined)
    }
  }

  #lose(cause: Error | undefined): void {
    this.#isOpen = false
    this.#waiting?.lost(cause)
    this.destroy()
  }

  #describe(key: number): string {
    return `${apiName(key)} to ${this.#address.host}:${this.#address.port}`
  }
}
