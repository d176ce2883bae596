import {
  type API,
  type Callback,
  Connection,
  ResponseError,
  type Writer,
  apiVersionsV3,
  protocolAPIsById,
} from './platformatic.ts'
import { type ClientSecurity, connectionSecurity } from './client-security.ts'
import { KafkaError } from './kafka-error.ts'
import {
  abortedError,
  expectNoError,
  lostError,
  timeoutError,
  toKafkaError,
} from './error-codes.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** Requests are bounded by their own timeouts; the package's timer must never be first. */
const PACKAGE_TIMEOUT_MS = 2 ** 31 - 1
const CLIENT_SOFTWARE = { name: 'fairlead', version: '0.1.0' } as const

export type BrokerAddress = { readonly host: string; readonly port: number }

export type CallOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined }

type OpenOptions = CallOptions & {
  readonly clientId: string
  readonly security: ClientSecurity | undefined
}

/** A request whose bytes we write and read ourselves, alike in a range of flexible versions. */
export type Exchange<Response> = {
  readonly key: number
  readonly minVersion: number
  readonly maxVersion: number
  encode(): Writer
  decode(body: Uint8Array): Response
}

/**
 * One connection to a broker, with one request in flight at a time, so that a long poll delays
 * nothing and dropping a request drops exactly its connection.
 *
 * A request that times out or is aborted destroys the connection: its response would still arrive.
 */
export class BrokerConnection {
  readonly #connection: Connection
  readonly #address: BrokerAddress
  #versions: ReadonlyMap<number, { readonly minVersion: number; readonly maxVersion: number }> =
    new Map()
  #isDestroyed = false

  private constructor(
    address: BrokerAddress,
    { clientId, security }: Pick<OpenOptions, 'clientId' | 'security'>,
  ) {
    this.#address = address
    this.#connection = new Connection(clientId, {
      ...connectionSecurity(security, address.host),
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: PACKAGE_TIMEOUT_MS,
      maxInflights: 1,
    })
    this.#connection.on('error', () => undefined)
  }

  static async open(address: BrokerAddress, options: OpenOptions): Promise<BrokerConnection> {
    const opened = new BrokerConnection(address, options)
    const timeoutMs = Math.min(options.timeoutMs, CONNECT_TIMEOUT_MS)
    const deadlineMs = performance.now() + timeoutMs
    await opened.#run<void>('connect', { ...options, timeoutMs }, (connection, callback) => {
      void connection.connect(address.host, address.port, (error) => callback(error))
    })
    const response = await opened.#run<ReturnType<typeof apiVersionsV3.parseResponse>>(
      'ApiVersions',
      { ...options, timeoutMs: Math.max(1, deadlineMs - performance.now()) },
      (connection, callback) =>
        apiVersionsV3.api(connection, CLIENT_SOFTWARE.name, CLIENT_SOFTWARE.version, callback),
    )
    expectNoError(response.errorCode, 'ApiVersions')
    opened.#versions = new Map(response.apiKeys.map((range) => [range.apiKey, range]))
    return opened
  }

  get isOpen(): boolean {
    return !this.#isDestroyed && this.#connection.isConnected()
  }

  /**
   * Sends a request in the package's codec. An error code in the response is part of the answer.
   *
   * @throws {KafkaError} UNSUPPORTED_VERSION, NETWORK, TIMEOUT, ABORTED, CORRUPT_RESPONSE.
   */
  call<Arguments extends unknown[], Response>(
    api: API<Arguments, Response>,
    requestArguments: Arguments,
    options: CallOptions,
  ): Promise<Response> {
    const what = this.#describe(api.key)
    this.#pickVersion(api.key, { minVersion: api.version, maxVersion: api.version })
    return this.#run(what, options, (connection, callback) => {
      const send = api as unknown as (...values: unknown[]) => void
      send(connection, ...requestArguments, callback)
    })
  }

  /** Sends a request in a codec of ours, in the highest version that both sides have. */
  exchange<Response>(exchange: Exchange<Response>, options: CallOptions): Promise<Response> {
    const version = this.#pickVersion(exchange.key, exchange)
    return this.#run(this.#describe(exchange.key), options, (connection, callback) =>
      connection.send(
        exchange.key,
        version,
        () => exchange.encode(),
        (_correlationId, _key, _version, reader) =>
          exchange.decode(reader.buffer.slice(reader.position)),
        true,
        true,
        callback,
      ),
    )
  }

  /** Whether the broker speaks this version of a request. */
  has({ key, version }: { readonly key: number; readonly version: number }): boolean {
    const theirs = this.#versions.get(key)
    return theirs !== undefined && version >= theirs.minVersion && version <= theirs.maxVersion
  }

  destroy(): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    const wasConnected = this.#connection.isConnected()
    const socket: { destroy(): void } | undefined = this.#connection.socket
    socket?.destroy()
    // Until it is connected the package only listens to its own events; this ends its wait.
    if (!wasConnected) this.#connection.emit('close')
  }

  #pickVersion(key: number, ours: { minVersion: number; maxVersion: number }): number {
    const theirs = this.#versions.get(key)
    const version = Math.min(ours.maxVersion, theirs?.maxVersion ?? -1)
    if (theirs !== undefined && version >= Math.max(ours.minVersion, theirs.minVersion))
      return version
    const range = theirs === undefined ? 'no version' : `${theirs.minVersion}-${theirs.maxVersion}`
    throw new KafkaError(
      `${this.#describe(key)}: the broker has ${range}, we have ${ours.minVersion}-${ours.maxVersion}`,
      { code: 'UNSUPPORTED_VERSION', retryable: false },
    )
  }

  #run<Response>(
    what: string,
    options: CallOptions,
    start: (connection: Connection, callback: Callback<Response>) => void,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const { signal } = options
      if (signal?.aborted === true || this.#isDestroyed) {
        this.destroy()
        reject(signal?.aborted === true ? abortedError(what) : lostError(what))
        return
      }
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
      const fail = (error: unknown) => {
        end()
        this.destroy()
        reject(toKafkaError(error, what))
      }
      const abort = () => fail(abortedError(what))
      const timer = setTimeout(() => fail(timeoutError(what, options.timeoutMs)), options.timeoutMs)
      signal?.addEventListener('abort', abort)
      const callback: Callback<Response> = (error, response) => {
        // The package throws for error codes in a response; for us they are part of the answer.
        if (error instanceof ResponseError) {
          end()
          resolve((error as unknown as { readonly response: Response }).response)
        } else if (error === null || error === undefined) {
          end()
          resolve(response as Response)
        } else {
          fail(error)
        }
      }
      try {
        start(this.#connection, callback)
      } catch (error) {
        fail(error)
      }
    })
  }

  #describe(key: number): string {
    const names: Readonly<Record<number, string | undefined>> = protocolAPIsById
    return `${names[key] ?? `API ${key}`} to ${this.#address.host}:${this.#address.port}`
  }
}
