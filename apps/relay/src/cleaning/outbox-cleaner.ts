import { errorMessage } from '@fairlead/base'
import { type RangePartition, RetirementGate } from '@fairlead/cdc'
import { type Logger, closeClient } from '@fairlead/postgres'
import pg from 'pg'
import type { RelayMetrics } from '../metrics.ts'
import { type CleanedTable, observeWal, readCleanedTables, serverNowMs } from './cleaned-tables.ts'
import { deleteRows } from './delete-rows.ts'
import { countPartitions, rotatePartitions } from './rotate-partitions.ts'

export type OutboxCleanerOptions = {
  readonly databaseUrl: string
  readonly slotName: string
  readonly metrics: RelayMetrics
  readonly logger: Logger
}

const ROUND_INTERVAL_MS = 60_000
const CONNECT_TIMEOUT_MS = 10_000
/** What a lock is waited for: the next round tries again. */
const LOCK_TIMEOUT_MS = 2_000
/** With fewer, inserts are about to fail for want of a partition. */
const INTERVALS_AHEAD_MIN = 2
const ADVISORY_LOCK = `hashtextextended('fairlead outbox cleaning', 0)`

/**
 * Keeps the tables of `relay.outbox_cleaning` small, and partitions ready for the rows to come. It runs
 * in every relay, also in one that stands by or is halted: inserts of services depend on it.
 *
 * Nothing is removed before every logical slot of the database has confirmed it. The relay itself
 * would not miss it, since it reads the log; a slot that is lost is made good from the table.
 */
export class OutboxCleaner {
  readonly #options: OutboxCleanerOptions
  readonly #gates = new Map<string, { readonly gate: RetirementGate; readonly untilMs: number }>()
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #isStopped = false

  constructor(options: OutboxCleanerOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.#next(), ROUND_INTERVAL_MS)
    this.#next()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#round
  }

  /**
   * One round over all tables; rounds neither overlap nor wait for each other, however long one takes. Trouble is
   * logged, and the next round tries again.
   */
  #next(): void {
    this.#round ??= this.runRound()
      .catch((error: unknown) => {
        this.#options.logger.warn({ reason: errorMessage(error) }, 'the outbox was not cleaned')
      })
      .finally(() => (this.#round = undefined))
  }

  async runRound(): Promise<void> {
    if (this.#isStopped) return
    const { databaseUrl, slotName } = this.#options
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: `fairlead-relay-${slotName}-cleaning`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      keepAlive: true,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await this.#cleanAll(client)
    } finally {
      await closeClient(client)
    }
  }

  /** The lock ends with the session. */
  async #cleanAll(client: pg.Client): Promise<void> {
    const { rows } = await client.query<{ exists: boolean }>(
      `select to_regclass('relay.outbox_cleaning') is not null as exists`,
    )
    if (rows[0]?.exists !== true) return
    const lock = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(${ADVISORY_LOCK}) as locked`,
    )
    if (lock.rows[0]?.locked !== true) return
    await client.query(`set timezone = 'UTC'; set datestyle = 'ISO'`)
    for (const table of await readCleanedTables(client)) {
      if (this.#isStopped) return
      await this.#clean(client, table).catch((error: unknown) => this.#failed(table, error))
    }
  }

  async #clean(client: pg.Client, cleaned: CleanedTable): Promise<void> {
    if (cleaned.method === 'delete') await this.#delete(client, cleaned)
    else await this.#rotate(client, cleaned)
  }

  async #rotate(client: pg.Client, cleaned: CleanedTable): Promise<void> {
    const { metrics, logger } = this.#options
    const { table } = cleaned
    try {
      const { created, dropped, waiting } = await rotatePartitions(client, cleaned, (partition) =>
        this.#mayRetire(client, partition),
      )
      for (const name of dropped) this.#gates.delete(name)
      metrics.partitionsRotated(table, { dropped: dropped.length, waiting: waiting.length })
      if (created.length + dropped.length > 0) {
        logger.info({ table, created, dropped }, 'partitions rotated')
      }
      if (waiting.length > 0) logger.debug({ table, waiting }, 'old partitions wait for a slot')
    } finally {
      await this.#count(client, cleaned)
    }
  }

  async #count(client: pg.Client, cleaned: CleanedTable): Promise<void> {
    const count = await countPartitions(client, cleaned)
    this.#options.metrics.partitionsCounted(cleaned.table, count)
    if (count.intervalsAhead >= INTERVALS_AHEAD_MIN) return
    this.#options.logger.error(
      { table: cleaned.table, ...count },
      'inserts will fail soon: too few partitions are ahead',
    )
  }

  #mayRetire(client: pg.Client, { name, toMs }: RangePartition): Promise<boolean> {
    const known = this.#gates.get(name) ?? { gate: new RetirementGate(), untilMs: toMs }
    this.#gates.set(name, known)
    return observeTwice(client, known.gate)
  }

  async #delete(client: pg.Client, cleaned: CleanedTable): Promise<void> {
    const { table, retentionMs } = cleaned
    const known = this.#gates.get(table) ?? {
      gate: new RetirementGate(),
      untilMs: (await serverNowMs(client)) - retentionMs,
    }
    this.#gates.set(table, known)
    if (!(await observeTwice(client, known.gate))) return
    this.#gates.delete(table)
    const rowCount = await deleteRows(client, cleaned, known.untilMs)
    this.#options.metrics.rowsDeleted(table, rowCount)
    if (rowCount > 0) this.#options.logger.info({ table, rowCount }, 'old rows deleted')
  }

  #failed({ table }: CleanedTable, error: unknown): void {
    this.#options.metrics.cleaningFailed(table)
    this.#options.logger.warn({ table, reason: errorMessage(error) }, 'the outbox was not cleaned')
  }
}

/** With nothing else running, the second look needs no second round. */
async function observeTwice(client: pg.Client, gate: RetirementGate): Promise<boolean> {
  return gate.observe(await observeWal(client)) || gate.observe(await observeWal(client))
}
