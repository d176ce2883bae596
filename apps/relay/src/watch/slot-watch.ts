import { errorMessage } from '@fairlead/base'
import { WalBudget, type WalBudgetOptions, type WalForecast, type WalLevel } from '@fairlead/cdc'
import { type Logger, closeClient } from '@fairlead/postgres'
import pg from 'pg'
import type { RelayMetrics } from '../metrics.ts'
import { type ClockOffset, measureClockOffset } from './clock-offset.ts'
import { dropSlot } from './drop-slot.ts'
import { type SlotObservation, observeSlot } from './observe-slot.ts'

/**
 * What is done about a slot that keeps back too much of the log:
 *
 * - `warn`: it is told, in the log, the metrics and the status.
 * - `pause`: a snapshot waits from `critical` on, until the level is `ok`.
 * - `drop`: the slot is dropped once its budget is used up, so that the disk of the database does not
 *   fill. What it had not delivered is gone with it, but for the rows of outbox tables.
 */
export type WalPolicy = 'warn' | 'pause' | 'drop'

export type SlotWatchOptions = {
  readonly databaseUrl: string
  readonly slotName: string
  readonly budget: WalBudgetOptions
  readonly policy: WalPolicy
  readonly metrics: RelayMetrics
  readonly logger: Logger
  /** True, or why the slot is of no use any more. */
  onState(state: true | string): void
}

/** The slot, as it was a few seconds ago. */
export type SlotStatus = WalForecast &
  Pick<SlotObservation, 'lagBytes' | 'isActive' | 'walStatus'> & { readonly policy: WalPolicy }

const INTERVAL_MS = 5_000
const CONNECT_TIMEOUT_MS = 10_000
const STATEMENT_TIMEOUT_MS = 10_000

/**
 * Looks at the slot every few seconds, on a connection of its own: also while the relay stands by, is
 * halted, or has no way to its brokers, which is when a slot keeps back the log.
 */
export class SlotWatch {
  readonly #options: SlotWatchOptions
  readonly #budget: WalBudget
  #client: pg.Client | undefined
  #status: SlotStatus | undefined
  #clockOffset: ClockOffset | undefined
  #level: WalLevel = 'ok'
  #isSnapshotHeldBack = false
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #isStopped = false

  constructor(options: SlotWatchOptions) {
    this.#options = options
    this.#budget = new WalBudget(options.budget)
  }

  start(): void {
    this.#timer = setInterval(() => this.#next(), INTERVAL_MS)
    this.#next()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#looking
    if (this.#client !== undefined) await closeClient(this.#client)
  }

  /** Undefined while the slot is not there, or the database does not answer. */
  get status(): SlotStatus | undefined {
    return this.#status
  }

  /** The last one; undefined while the database does not answer. */
  get clockOffset(): ClockOffset | undefined {
    return this.#clockOffset
  }

  get isSnapshotHeldBack(): boolean {
    return this.#isSnapshotHeldBack
  }

  /** Looks neither overlap nor wait for each other: a server that is silent for hours leaves none behind. */
  #next(): void {
    this.#looking ??= this.#look()
      .catch((error: unknown) => {
        this.#status = undefined
        this.#clockOffset = undefined
        if (this.#client !== undefined) void closeClient(this.#client)
        this.#client = undefined
        this.#options.logger.debug({ reason: errorMessage(error) }, 'the slot was not observed')
      })
      .finally(() => (this.#looking = undefined))
  }

  async #look(): Promise<void> {
    if (this.#isStopped) return
    this.#client ??= await this.#connect()
    this.#clockOffset = await measureClockOffset(this.#client)
    this.#options.metrics.clockMeasured(this.#clockOffset)
    const slot = await observeSlot(this.#client, this.#options.slotName)
    if (slot === undefined) {
      this.#status = undefined
      return
    }
    const { retainedBytes, safeWalBytes, lagBytes, isActive, walStatus } = slot
    const { policy, metrics } = this.#options
    const forecast = this.#budget.observe({
      atMs: performance.now(),
      retainedBytes,
      safeWalBytes,
      isLost: walStatus === 'lost',
    })
    this.#status = { ...forecast, lagBytes, isActive, walStatus, policy }
    metrics.slotObserved(slot, forecast)
    this.#levelIs(forecast)
    if (policy === 'drop' && this.#isOverBudget(forecast)) await this.#drop(this.#client, forecast)
  }

  async #connect(): Promise<pg.Client> {
    const { databaseUrl, slotName } = this.#options
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: `fairlead-relay-${slotName}-watch`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      // A server that is not there any more does not tell that it timed out.
      query_timeout: STATEMENT_TIMEOUT_MS,
      keepAlive: true,
    })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }

  #levelIs(forecast: WalForecast): void {
    const { level } = forecast
    const { logger, policy } = this.#options
    if (level === 'ok') this.#isSnapshotHeldBack = false
    else if (level !== 'warning' && policy === 'pause') this.#isSnapshotHeldBack = true
    this.#options.onState(level === 'lost' ? 'the slot has lost its WAL' : true)
    if (level === this.#level) return
    const text = `the slot keeps back WAL: ${this.#level} before, ${level} now`
    this.#level = level
    if (level === 'ok') logger.info(forecast, text)
    else if (level === 'warning') logger.warn(forecast, text)
    else logger.error(forecast, text)
  }

  /** Of the operator's own budget: Postgres sees to max_slot_wal_keep_size by itself. */
  #isOverBudget({ level, retainedBytes }: WalForecast): boolean {
    const { budgetBytes } = this.#options.budget
    return level === 'exhausted' && budgetBytes !== undefined && retainedBytes >= budgetBytes
  }

  async #drop(client: pg.Client, forecast: WalForecast): Promise<void> {
    const { slotName, logger } = this.#options
    logger.error(forecast, 'the slot is dropped, as wal.budget.policy says: events may be lost')
    await dropSlot(client, slotName, forecast.retainedBytes)
  }
}
