import {
  InvariantViolation,
  type Lsn,
  OperationalError,
  errorMessage,
  formatLsn,
  parseLsn,
} from '@fairlead/base'
import pg from 'pg'
import { LogicalReplicationService } from 'pg-logical-replication'
import { BackendMessages } from './backend-messages.ts'
import { postgresErrorCode } from './classify-error.ts'
import { ReadPace } from './read-pace.ts'

export type ReplicationOptions = {
  readonly url: string
  readonly slotName: string
  readonly publicationNames: readonly string[]
  /** Transactions that committed before it are not sent, nor those before the slot: 0 for all others. */
  readonly startLsn: Lsn
  readonly applicationName: string
  /** The server cuts a connection that it hears nothing from for this long. */
  readonly walSenderTimeoutMs: number
  /** Bytes came, and what is in them follows. */
  onRead(nowMs: number): void
  /**
   * A pgoutput message, from `start` up to before `end`; the bytes are overwritten once the call returns.
   * Called from the socket's own event, as `onKeepalive` is: what either of them throws ends the process.
   */
  onMessage(bytes: Uint8Array, start: number, end: number): void
  onKeepalive(keepalive: Keepalive): void
}

export type Keepalive = {
  /** Up to where the server has read its log for us. */
  readonly walEnd: Lsn
  /** The server waits for a status update: to shut down, or to see that we live. */
  readonly replyRequested: boolean
}

/** The stream could not start or broke; `code` is the SQLSTATE or system error code. */
export class ReplicationError extends OperationalError {
  override readonly name = 'ReplicationError'

  constructor(error: unknown) {
    const code = postgresErrorCode(error) ?? 'CONNECTION_LOST'
    super(errorMessage(error), { code, retryable: true, cause: error })
  }
}

/** What `pg` has and its types do not name. */
type CopyConnection = pg.Connection & {
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_DELAY_MS = 5_000
const LINGER_AFTER_COPY_DONE_MS = 500

/**
 * A logical replication stream, from the connection to the end of the copy.
 *
 * The transport is `pg-logical-replication`: it connects, with a plugin of our own that starts the stream, and
 * tells keepalives. WAL data does not pass through it, and none of its acknowledgements is used: its
 * `acknowledge` adds one to the LSN and its timer sends what was received, and both lose events
 * (docs/adr/0004-replication-transport.md). Status updates go out only through `sendStatus`.
 */
export class ReplicationConnection {
  readonly #service: LogicalReplicationService
  readonly #client: pg.Client
  readonly #pace: ReadPace
  readonly #closed: Promise<ReplicationError | undefined>

  private constructor(
    service: LogicalReplicationService,
    { client, pace }: Stream,
    closed: Promise<ReplicationError | undefined>,
  ) {
    this.#service = service
    this.#client = client
    this.#pace = pace
    this.#closed = closed
  }

  /**
   * Connects and starts the stream where the slot stands, or at `startLsn` if that is later.
   *
   * @throws {ReplicationError} `55006` when another connection reads the slot, `42704` when there
   *   is no such slot, `55000` when the slot has lost its WAL.
   */
  static async open(options: ReplicationOptions): Promise<ReplicationConnection> {
    const service = new LogicalReplicationService(
      {
        connectionString: withSessionSettings(options),
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        keepAlive: true,
        keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
      },
      { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: false } },
    )
    let stream: Stream | undefined
    // The failure that matters also rejects `subscribe`; without a listener the process would end.
    service.on('error', () => undefined)
    service.on('heartbeat', (walEnd: string, _timestamp: number, replyRequested: boolean) =>
      options.onKeepalive({ walEnd: parseLsn(walEnd), replyRequested }),
    )
    const started = new Promise<void>((resolve) => service.once('start', () => resolve()))
    const closed = service
      .subscribe(
        rawPlugin(options, (connected) => {
          stream = { client: connected, pace: new ReadPace(connected.connection.stream) }
          takeWalData(stream, options)
        }),
        options.slotName,
      )
      .then(
        () => undefined,
        (error: unknown) => new ReplicationError(error),
      )
    const failure = await Promise.race([started, closed])
    if (stream === undefined || failure !== undefined) {
      await service.stop()
      throw failure ?? new ReplicationError(new Error('the stream ended before it started'))
    }
    return new ReplicationConnection(service, stream, closed)
  }

  /** Resolves when the stream has ended: with the failure, or undefined when the server ended it. */
  get closed(): Promise<ReplicationError | undefined> {
    return this.#closed
  }

  /** Stops reading from the socket. Not for long: a server with a full socket cannot shut down. */
  pause(): void {
    this.#pace.pause()
  }

  resume(): void {
    this.#pace.resume()
  }

  /** Sends a standby status update. Dropped when the connection is gone. */
  sendStatus(bytes: Uint8Array): void {
    const { buffer, byteOffset, byteLength } = bytes
    this.#copy.sendCopyFromChunk(Buffer.from(buffer, byteOffset, byteLength))
  }

  /**
   * Ends the stream in order (messages may still arrive meanwhile), so that the server has read what was sent and the slot is free when
   * this resolves; or by cutting the connection when the server does not answer soon, as one that
   * has much left to send.
   */
  async close(): Promise<void> {
    this.resume()
    this.#pace.end()
    this.#copy.endCopyFrom()
    const late = setTimeout(() => this.destroy(), LINGER_AFTER_COPY_DONE_MS)
    await this.#closed
    clearTimeout(late)
    await this.#service.stop()
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#client.connection.stream.destroy()
  }

  get #copy(): CopyConnection {
    return this.#client.connection as CopyConnection
  }
}

/** Takes the place of the package's decoders: START_REPLICATION as we want it. */
function rawPlugin(options: ReplicationOptions, onClient: (client: pg.Client) => void) {
  return {
    name: 'pgoutput',
    options: {},
    start: (client: pg.Client, slotName: string): Promise<unknown> => {
      onClient(client)
      const publications = options.publicationNames.map((name) => pg.escapeIdentifier(name))
      // Version 1 without streaming sends whole transactions in commit
      // order, and the server spills large ones to its disk.
      return client.query(
        `START_REPLICATION SLOT ${pg.escapeIdentifier(slotName)} LOGICAL ${formatLsn(options.startLsn)} (
          proto_version '1', messages 'true', publication_names ${pg.escapeLiteral(publications.join(','))})`,
      )
    },
    parse: (): never => {
      throw new InvariantViolation('WAL data is taken before the package sees it')
    },
  }
}

type Stream = { readonly client: pg.Client; readonly pace: ReadPace }

/**
 * Takes WAL data out of the stream; what is left goes to `pg`, in order. Nothing is on its way from the
 * server: what comes next begins a message.
 */
function takeWalData({ client, pace }: Stream, options: ReplicationOptions): void {
  const { stream } = client.connection
  const listeners = stream.listeners('data') as ((bytes: Buffer) => void)[]
  stream.removeAllListeners('data')
  const messages = new BackendMessages({
    onWalData: (bytes, start, end) => options.onMessage(bytes, start, end),
    onOther: (message) => {
      for (const listener of listeners) listener.call(stream, message)
    },
  })
  stream.on('data', (bytes: Buffer) => {
    options.onRead(performance.now())
    messages.push(bytes)
    pace.received(performance.now(), bytes.length)
  })
}

/** The text forms that the decoder reads do not depend on the settings of role or database. */
function withSessionSettings(options: ReplicationOptions): string {
  const url = new URL(options.url)
  const settings = {
    wal_sender_timeout: `${options.walSenderTimeoutMs}ms`,
    bytea_output: 'hex',
    TimeZone: 'UTC',
    DateStyle: 'ISO',
    IntervalStyle: 'postgres',
    extra_float_digits: '1',
  }
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  url.searchParams.set('options', [url.searchParams.get('options') ?? '', ...ours].join(' ').trim())
  url.searchParams.set('application_name', options.applicationName)
  return url.href
}
