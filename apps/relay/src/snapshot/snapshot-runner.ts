import { randomUUID } from 'node:crypto'
import { errorMessage } from '@fairlead/base'
import {
  type LogicalMessage,
  type PendingTransaction,
  type Relation,
  type RowMessage,
  SnapshotWindow,
  type Tuple,
  positionWithin,
} from '@fairlead/cdc'
import { classifyPostgresError, closeClient } from '@fairlead/postgres'
import pg from 'pg'
import type { RelayMetrics } from '../metrics.ts'
import type { Signal, SignalType, Signals } from '../signals/signals.ts'
import type { Publisher } from '../sink/publisher.ts'
import {
  type PublishedPart,
  TEXT_SETTINGS,
  type TableRow,
  type TableShape,
  readShape,
} from '../table/table-reader.ts'
import {
  type SnapshotOrder,
  type SnapshotState,
  type SnapshotType,
  progressOf,
  snapshotOrder,
  stateOf,
} from './snapshot-progress.ts'
import type { SnapshotTables } from './snapshot-tables.ts'
import { type Chunk, readChunk, readMaxKey, readRunningXids } from './table-chunks.ts'

export type SnapshotRunnerOptions = {
  readonly databaseUrl: string
  readonly slotName: string
  readonly tables: SnapshotTables
  readonly timeColumn: string
  /** `incremental.snapshot.chunk.size` */
  readonly chunkRowsMax: number
  /** Of all events in memory. */
  readonly queueBytesMax: number
  readonly signals: Signals
  readonly publisher: Publisher
  readonly metrics: RelayMetrics
  readonly wallNowMs: () => number
  /** The slot keeps back too much of the log: what it has goes first. */
  readonly isHeldBack: () => boolean
  /** The database cannot be read: the session should end. */
  onFailure(error: unknown): void
}

/**
 * Of the memory of all events. A chunk that filled it would stop the reading of the log, and a session that ends for
 * that, since the brokers are slow, reads the chunk anew: none would ever get behind it.
 */
const CHUNK_MEMORY_SHARE = 0.5
const WATERMARK_PREFIX = 'fairlead.watermark'
const CONNECT_TIMEOUT_MS = 10_000
/** Between two attempts at a chunk: what spoilt it is over in a moment. */
const REREAD_DELAY_MS = 100
/** Between two looks at what is waited for. */
const WAIT_POLL_MS = 250
const CONTROLS = ['stop-snapshot', 'pause-snapshot', 'resume-snapshot'] as const

type OpenChunk = {
  readonly table: string
  readonly type: SnapshotType
  readonly shape: TableShape
  /** Resolves once its rows are durable: with how many there were, or undefined to read it anew. */
  readonly published: PromiseWithResolvers<number | undefined>
}

class Stopped extends Error {}

const NO_ROWS: Iterator<undefined> = [][Symbol.iterator]()

/**
 * Incremental snapshots: the rows of a table are published again while the log goes on. A chunk is read
 * by SQL between two watermarks in the log, and enters the stream of events at the second one; see
 * `SnapshotWindow` for why nothing old replaces anything new.
 *
 * How far it is stands with its signal, and is written when a chunk is durable at the brokers: a relay
 * that dies publishes the rows of one chunk a second time.
 *
 * Before its first chunk it waits for the transactions that ran when the session began to read the log:
 * one of them may have committed before what this session is sent, and not be visible yet (a commit that
 * waits for a synchronous standby), so that neither log nor chunk would have its rows.
 */
export class SnapshotRunner {
  readonly #options: SnapshotRunnerOptions
  readonly #window = new SnapshotWindow<TableRow>()
  readonly #keyIndexes = new WeakMap<Relation, readonly number[]>()
  #chunk: OpenChunk | undefined
  /** Transactions that are waited for; undefined until they are known. */
  #olderXids: ReadonlySet<number> | undefined
  #reader: pg.Client | undefined
  #wake = Promise.withResolvers<void>()
  #isStopped = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: SnapshotRunnerOptions) {
    this.#options = options
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#isStopped) this.#options.onFailure(error)
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.signalled()
    this.#chunk?.published.reject(new Stopped())
    // Cuts a statement that may take long.
    if (this.#reader !== undefined) void closeClient(this.#reader)
    await this.#running
  }

  signalled(): void {
    this.#wake.resolve()
  }

  transactionSeen(xid: number): void {
    this.#window.transactionSeen(xid)
  }

  rowSeen(change: RowMessage): void {
    // For every row of the log: without a snapshot it must cost nothing.
    if (this.#chunk === undefined) return
    const { relation } = change
    if (!this.#isRead(relation)) return
    if (change.kind !== 'delete') this.#keySeen(relation, change.row)
    if (change.kind !== 'insert' && change.oldRow !== undefined) {
      this.#keySeen(relation, change.oldRow)
    }
  }

  tablesTruncated(relations: readonly Relation[]): void {
    if (relations.some((relation) => this.#isRead(relation))) {
      this.#window.unknownRowsSeen('the table was truncated meanwhile')
    }
  }

  #isRead({ schema, table }: Relation): boolean {
    return this.#chunk?.table === `${schema}.${table}`
  }

  /**
   * What a watermark brings: rows of its chunk, of which each step publishes one. Nothing that comes behind
   * it in the log may be taken in before the last step. Undefined when it is none; those of other relays
   * bring nothing.
   */
  messageSeen(message: LogicalMessage): Iterator<undefined> | undefined {
    if (message.prefix !== WATERMARK_PREFIX) return undefined
    const [slotName, chunkId, mark] = new TextDecoder().decode(message.content).split(' ')
    if (slotName !== this.#options.slotName || chunkId === undefined) return NO_ROWS
    if (mark !== 'low') return this.#highSeen(chunkId, message)
    this.#window.lowSeen(chunkId)
    return NO_ROWS
  }

  #keySeen(relation: Relation, tuple: Tuple): void {
    const key: string[] = []
    for (const index of this.#indexesOf(relation)) {
      const value = tuple.value(index)
      if (value instanceof Uint8Array) key.push(Buffer.from(value).toString())
      else return this.#window.unknownRowsSeen('a change in the log lacks the key of its row')
    }
    this.#window.rowSeen(JSON.stringify(key))
  }

  /** The log does not mark the key of a table without replica identity: the catalog does. */
  #indexesOf(relation: Relation): readonly number[] {
    const known = this.#keyIndexes.get(relation)
    if (known !== undefined) return known
    const { relation: read, keyIndexes = [] } = this.#chunk?.shape ?? {}
    const indexes = keyIndexes.map((keyIndex) =>
      relation.columns.findIndex(({ name }) => name === read?.columns[keyIndex]?.name),
    )
    this.#keyIndexes.set(relation, indexes)
    return indexes
  }

  #highSeen(chunkId: string, message: LogicalMessage): Iterator<undefined> {
    const chunk = this.#chunk
    const closed = this.#window.highSeen(chunkId)
    if (chunk === undefined || closed === undefined) return NO_ROWS
    if (closed.kind === 'emit') return this.#publishing(chunk, closed.rows, message)
    this.#options.metrics.chunkSpoilt()
    chunk.published.resolve(undefined)
    return NO_ROWS
  }

  *#publishing(
    chunk: OpenChunk,
    rows: readonly TableRow[],
    message: LogicalMessage,
  ): Generator<undefined> {
    const transaction = new ChunkTransaction(() => chunk.published.resolve(rows.length))
    for (const [index, row] of rows.entries()) {
      this.#publish(chunk, row, { message, index, transaction })
      yield undefined
    }
    transaction.close()
  }

  #publish(
    chunk: OpenChunk,
    row: TableRow,
    place: {
      readonly message: LogicalMessage
      readonly index: number
      readonly transaction: ChunkTransaction
    },
  ): void {
    const { tables, publisher, wallNowMs } = this.#options
    const published = tables.eventOf(chunk.shape.relation, row, {
      position: positionWithin(place.message.messageLsn, place.index),
      commitTimestampMs: wallNowMs(),
      type: chunk.type,
    })
    if (published === undefined) return
    publisher.enqueue(published.event, published.origin, place.transaction)
  }

  async #run(): Promise<void> {
    const { signals } = this.#options
    while (!this.#isStopped) {
      this.#wake = Promise.withResolvers()
      const signal = await signals.next(['execute-snapshot'])
      if (signal === undefined) {
        await this.#refuseControls()
        await this.#wake.promise
      } else await this.#snapshot(signal)
    }
  }

  async #refuseControls(): Promise<void> {
    const { signals } = this.#options
    for (;;) {
      const control = await signals.next(CONTROLS)
      if (control === undefined) return
      await signals.finish(control.signalId, {}, 'no snapshot is under way')
    }
  }

  async #snapshot(signal: Signal): Promise<void> {
    const { signals, databaseUrl, slotName, tables, metrics } = this.#options
    const order = snapshotOrder(signal, tables)
    if (typeof order === 'string') return signals.finish(signal.signalId, {}, order)
    const reader = new pg.Client({
      connectionString: databaseUrl,
      application_name: `fairlead-relay-${slotName}-snapshot`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    })
    reader.on('error', () => undefined)
    this.#reader = reader
    try {
      metrics.snapshotRunning(true)
      await reader.connect()
      await reader.query(TEXT_SETTINGS)
      await this.#allTables(reader, signal, order)
    } catch (error) {
      if (this.#isStopped || classifyPostgresError(error) === 'infra') throw error
      await signals.finish(signal.signalId, signal.progress, errorMessage(error))
    } finally {
      metrics.snapshotRunning(false)
      await closeClient(reader)
    }
  }

  async #allTables(reader: pg.Client, signal: Signal, order: SnapshotOrder): Promise<void> {
    let state: SnapshotState | 'stopped' = stateOf(signal.progress)
    while (state !== 'stopped' && state.tableIndex < order.tables.length) {
      state = await this.#obey(signal, order, state)
      if (state === 'stopped' || (await this.#mustWait(reader, signal, order, state))) continue
      state = await this.#oneChunk(reader, signal, order, state)
    }
    if (state === 'stopped') return
    const { rows, chunks, keylessTables } = state
    const reason =
      keylessTables.length === 0
        ? undefined
        : `${keylessTables.join(', ')} could not be read in chunks for want of a primary key; the other tables were`
    await this.#options.signals.finish(signal.signalId, { state: 'done', rows, chunks }, reason)
  }

  /** Has waited for a moment, and should look again before it reads. */
  async #mustWait(
    reader: pg.Client,
    signal: Signal,
    order: SnapshotOrder,
    state: SnapshotState,
  ): Promise<boolean> {
    const waits = this.#options.isHeldBack()
      ? { waitsForSlot: 1 }
      : { waitsForTransactions: await this.#olderTransactions(reader) }
    if (waits.waitsForTransactions === 0) return false
    const progress = { ...progressOf(order, state), ...waits }
    await this.#options.signals.report(signal.signalId, progress)
    await new Promise((resolve) => setTimeout(resolve, WAIT_POLL_MS))
    return true
  }

  /** How many still run that may be older than the log of this session; see above. */
  async #olderTransactions(reader: pg.Client): Promise<number> {
    const older = this.#olderXids
    if (older?.size === 0) return 0
    const running = await readRunningXids(reader)
    this.#olderXids =
      older === undefined ? running : new Set([...older].filter((xid) => running.has(xid)))
    return this.#olderXids.size
  }

  /** Carries out what was ordered meanwhile; waits while it is paused. */
  async #obey(
    signal: Signal,
    order: SnapshotOrder,
    state: SnapshotState,
  ): Promise<SnapshotState | 'stopped'> {
    const { signals } = this.#options
    let now = state
    for (;;) {
      if (this.#isStopped) throw new Stopped()
      this.#wake = Promise.withResolvers()
      const control: Signal | undefined = await signals.next(CONTROLS)
      if (control === undefined) {
        if (!now.isPaused) return now
        await this.#wake.promise
        continue
      }
      await signals.finish(control.signalId, {})
      if (control.type === 'stop-snapshot') {
        await signals.finish(signal.signalId, progressOf(order, now), 'it was stopped')
        return 'stopped'
      }
      now = { ...now, isPaused: isPause(control.type) }
      await signals.report(signal.signalId, progressOf(order, now))
    }
  }

  async #oneChunk(
    reader: pg.Client,
    signal: Signal,
    order: SnapshotOrder,
    state: SnapshotState,
  ): Promise<SnapshotState> {
    const table = order.tables[state.tableIndex] ?? ''
    const { tables, timeColumn, chunkRowsMax, queueBytesMax } = this.#options
    const part = await tables.publishedPart(reader, table)
    const shape = await shapeOf(reader, table, part)
    const nextTable = {
      ...state,
      tableIndex: state.tableIndex + 1,
      lastKey: undefined,
      maxKey: undefined,
    }
    if (shape.keyIndexes.length === 0) {
      return { ...nextTable, keylessTables: [...state.keylessTables, table] }
    }
    const maxKey = state.maxKey ?? (await readMaxKey(reader, table, shape))
    if (maxKey === undefined) return nextTable
    const { since, until } = order
    const bytesMax = queueBytesMax * CHUNK_MEMORY_SHARE
    const limits = { timeColumn, rowFilter: part.rowFilter, rowsMax: chunkRowsMax, bytesMax }
    const range = { afterKey: state.lastKey, maxKey, since, until, ...limits }
    const target = { table, shape, type: order.type }
    const published = await this.#published(reader, target, () =>
      readChunk(reader, table, shape, range),
    )
    if (published === undefined) return { ...state, maxKey }
    const { chunk, rows } = published
    const progress = { rows: state.rows + rows, chunks: state.chunks + 1 }
    this.#options.metrics.snapshotRows(rows)
    const next = chunk.isLast
      ? { ...nextTable, ...progress }
      : { ...state, ...progress, maxKey, lastKey: chunk.lastKey }
    await this.#options.signals.report(signal.signalId, progressOf(order, next))
    return next
  }

  /**
   * Reads a chunk between two watermarks, and waits until it is published; undefined when it has to be
   * read anew, after a moment.
   */
  async #published(
    reader: pg.Client,
    target: Pick<OpenChunk, 'table' | 'shape' | 'type'>,
    read: () => Promise<Chunk>,
  ): Promise<{ readonly chunk: Chunk; readonly rows: number } | undefined> {
    if (this.#isStopped) throw new Stopped()
    const chunkId = randomUUID()
    const published = Promise.withResolvers<number | undefined>()
    // Nobody may wait yet when the session ends.
    published.promise.catch(() => undefined)
    this.#chunk = { ...target, published }
    this.#window.begin(chunkId)
    await this.#writeWatermark(reader, chunkId, 'low')
    const chunk = await read()
    this.#window.read(chunk.rows, chunk.runningXids)
    await this.#writeWatermark(reader, chunkId, 'high')
    const rows = await published.promise
    this.#chunk = undefined
    if (rows !== undefined) return { chunk, rows }
    await new Promise((resolve) => setTimeout(resolve, REREAD_DELAY_MS))
    return undefined
  }

  async #writeWatermark(reader: pg.Client, chunkId: string, mark: 'low' | 'high'): Promise<void> {
    const content = `${this.#options.slotName} ${chunkId} ${mark}`
    await reader.query('select pg_logical_emit_message(true, $1, $2)', [WATERMARK_PREFIX, content])
  }
}

async function shapeOf(reader: pg.Client, table: string, part: PublishedPart): Promise<TableShape> {
  const shape = await readShape(reader, table, part)
  if (shape === undefined) throw new Error(`there is no table ${table}`)
  return shape
}

function isPause(type: SignalType): boolean {
  return type === 'pause-snapshot'
}

/** Counts the rows of a chunk that are not durable yet. */
class ChunkTransaction implements PendingTransaction {
  readonly #onDurable: () => void
  #pending = 1

  constructor(onDurable: () => void) {
    this.#onDurable = onDurable
  }

  eventReceived(): void {
    this.#pending += 1
  }

  eventAcknowledged(): void {
    this.#pending -= 1
    if (this.#pending === 0) this.#onDurable()
  }

  /** No further row comes. */
  close(): void {
    this.eventAcknowledged()
  }
}
