import { setTimeout as delay } from 'node:timers/promises'
import { OperationalError, errorMessage } from '@fairlead/base'
import {
  type Decision,
  type Outcome,
  type RegistryRecord,
  type SchemaRegistry,
  encodeRecord,
} from '@fairlead/schemas'
import type { SchemaLog } from './schema-log.ts'
import { StoreError } from './store-error.ts'

interface StoreLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export type RegistryStoreOptions = {
  readonly log: SchemaLog
  readonly registry: SchemaRegistry
  readonly logger: StoreLogger
  /** How long a request waits for the store. */
  readonly timeoutMs: number
  /** Ready, or why not; called whenever it may have changed. */
  readonly onState: (state: true | string) => void
  /** Called before the records of a decision are written; what it returns, once they count. */
  readonly onWriting?: (records: readonly RegistryRecord[]) => () => void
  /** Everything that was in the log at start has been read for the first time. */
  readonly onCaughtUp?: () => void
  /** Nothing that retrying could mend: the process must end. */
  readonly onFatal: (error: unknown) => void
}

/** Requests that wait for their turn to write; more are refused rather than queued. */
const WRITES_QUEUED_MAX = 1_000
/** Each lost race means that another registry made progress. */
const WRITE_ATTEMPTS_MAX = 50
const RETRY_BASE_MS = 100
const RETRY_MAX_MS = 2_000
/** A writer restores the keys of its own lost records at once; this is for one that died before. */
const REPAIR_EVERY_MS = 30_000

type Waiter = {
  readonly offset: number
  readonly resolve: () => void
  readonly reject: (error: StoreError) => void
}

/** A decision on what was read below an offset. */
type Decided<Value> = { readonly decision: Decision<Value>; readonly nextOffset: number }

/**
 * Keeps the registry's image up to date with the log, and writes to the log, one decision at a time.
 *
 * A write reads what was in the log when it came, decides, and if the decision has records, appends them in
 * its turn with expected offsets, and answers once they have been read back. When another registry wrote in
 * between, the records count for nothing, to every reader alike, and the decision is made again on what the
 * other one wrote.
 *
 * Those who wait together ask for the end of the log together: an answer to a question that was asked
 * after they came is as good as one of their own.
 */
export class RegistryStore {
  readonly #options: RegistryStoreOptions
  readonly #ending = new AbortController()
  /** Those who wait until the image holds everything below an offset. */
  readonly #waiters = new Set<Waiter>()
  #writes: Promise<unknown> = Promise.resolve()
  #queuedCount = 0
  /** Of the write that came last, and of the last one that came before the end was asked for. */
  #lastWriteNumber = 0
  #readForWriteNumber = 0
  /** The reading to the end that has begun last, and the one that begins when it is done. */
  #endReading: Promise<void> | undefined
  #nextEndReading: Promise<void> | undefined
  #isCaughtUp = false
  #clusterId: string | null | undefined
  #reading: Promise<void> | undefined
  #repairTimer: NodeJS.Timeout | undefined

  constructor(options: RegistryStoreOptions) {
    this.#options = options
  }

  /** Starts to follow the log, for as long as the process lives; a broker that is down is retried. */
  start(): void {
    this.#options.onState('the log has not been read yet')
    this.#reading = this.#follow()
    const jitterMs = Math.floor(Math.random() * REPAIR_EVERY_MS)
    this.#repairTimer = setInterval(() => this.#repair(), REPAIR_EVERY_MS + jitterMs).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#repairTimer)
    this.#ending.abort()
    for (const waiter of this.#waiters) waiter.reject(stoppingError())
    this.#waiters.clear()
    await this.#reading
    await this.#options.log.close()
  }

  /** True once everything that was in the log at start has been read. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp
  }

  get queuedWriteCount(): number {
    return this.#queuedCount
  }

  /**
   * Id of the Kafka cluster that has the log; null where it has none. Asked for once: it never changes.
   *
   * @throws {StoreError}
   */
  async clusterId(): Promise<string | null> {
    this.#clusterId ??= await this.#withTimeout(
      this.#options.log.clusterId(),
      'The Kafka cluster did not tell its id in time',
    )
    return this.#clusterId
  }

  /**
   * Answers once the image holds everything that is in the log now.
   *
   * @throws {StoreError}
   */
  async catchUp(): Promise<void> {
    await this.#withTimeout(this.#readToEnd(), 'The store could not be read to its end in time')
  }

  /**
   * Carries out a decision. A timeout leaves it open whether it was: asking again is safe.
   *
   * @throws {StoreError}
   */
  async write<Value>(decide: () => Decision<Value>): Promise<Outcome<Value>> {
    if (this.#queuedCount >= WRITES_QUEUED_MAX) {
      throw new StoreError('Too many writes wait for the store', { errorCode: 50001 })
    }
    this.#queuedCount += 1
    const number = (this.#lastWriteNumber += 1)
    const written = this.#decideAndWrite(decide, number).finally(() => (this.#queuedCount -= 1))
    return this.#withTimeout(written, 'Timed out waiting for the write to reach the store')
  }

  /** What needs no record, as most registrations do, waits for nobody's turn. */
  async #decideAndWrite<Value>(
    decide: () => Decision<Value>,
    number: number,
  ): Promise<Outcome<Value>> {
    await this.#readForWrite(number)
    const first = this.#decided(decide)
    if (first.decision.records.length === 0) return first.decision.response
    const written = this.#writes.then(() => this.#append(decide, first))
    this.#writes = written.catch(() => undefined)
    return written
  }

  /** The decision holds for as long as nothing else is read. */
  #decided<Value>(decide: () => Decision<Value>): Decided<Value> {
    const { nextOffset } = this.#options.registry.log
    return { decision: decide(), nextOffset }
  }

  async #append<Value>(
    decide: () => Decision<Value>,
    first: Decided<Value>,
  ): Promise<Outcome<Value>> {
    const { log, registry, onWriting } = this.#options
    let decided = first
    let lost: readonly RegistryRecord[] = []
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS_MAX; attempt += 1) {
      if (registry.log.nextOffset !== decided.nextOffset) decided = this.#decided(decide)
      const { decision, nextOffset: expectedOffset } = decided
      const records = registry.log.withRepairs(decision.records, lost)
      if (records.length === 0) return decision.response

      const onWritten = onWriting?.(decision.records)
      const offsets = await log.append(records.map(encodeRecord), expectedOffset)
      const lastOffset = offsets.at(-1) ?? expectedOffset
      await this.#hasRead(lastOffset + 1)
      if (offsets.every((offset, index) => offset === expectedOffset + index)) {
        onWritten?.()
        return decision.response
      }
      lost = records
      this.#options.logger.info(
        { expectedOffset, offset: offsets[0], attempt },
        'another registry wrote first: deciding again',
      )
    }
    throw new StoreError(`Lost ${WRITE_ATTEMPTS_MAX} races for the log`, { errorCode: 50001 })
  }

  /** Reads what was in the log when the write came. */
  async #readForWrite(number: number): Promise<void> {
    if (this.#readForWriteNumber >= number) return
    const lastNumber = this.#lastWriteNumber
    await this.#readToEnd()
    this.#readForWriteNumber = lastNumber
  }

  /** Reads what is in the log now: the end is asked for after this call, for everybody who waits. */
  #readToEnd(): Promise<void> {
    this.#nextEndReading ??= this.#readToEndAfter(this.#endReading)
    return this.#nextEndReading
  }

  async #readToEndAfter(previous: Promise<void> | undefined): Promise<void> {
    // Its failure is for those who waited for it.
    await previous?.catch(() => undefined)
    await Promise.resolve()
    this.#endReading = this.#nextEndReading
    this.#nextEndReading = undefined
    await this.#hasRead(await this.#options.log.endOffset())
  }

  #hasRead(offset: number): Promise<void> {
    if (this.#options.registry.log.nextOffset >= offset) return Promise.resolve()
    if (this.#ending.signal.aborted) return Promise.reject(stoppingError())
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiters.add({ offset, resolve, reject })
    return promise
  }

  async #follow(): Promise<void> {
    let failureCount = 0
    let isOpen = false
    /** End of the log at start, and again after each failure. */
    let readyAtOffset: number | undefined
    while (!this.#ending.signal.aborted) {
      try {
        if (!isOpen) {
          await this.#options.log.open()
          isOpen = true
        }
        readyAtOffset ??= await this.#options.log.endOffset()
        if (this.#options.registry.log.nextOffset >= readyAtOffset) {
          if (!this.#isCaughtUp) this.#options.onCaughtUp?.()
          this.#isCaughtUp = true
          this.#options.onState(true)
        }
        await this.#readPage()
        failureCount = 0
      } catch (error) {
        if (this.#ending.signal.aborted) return
        if (!(error instanceof OperationalError) || !error.retryable) {
          this.#options.onFatal(error)
          return
        }
        failureCount += 1
        readyAtOffset = undefined
        await this.#pauseAfter(error, failureCount)
      }
    }
  }

  async #readPage(): Promise<void> {
    const { log, registry, logger } = this.#options
    const page = await log.read(registry.log.nextOffset, this.#ending.signal)
    for (const entry of page.entries) {
      const result = registry.log.replay(entry)
      if (result.kind === 'skipped') {
        logger.warn({ offset: entry.offset, reason: result.reason }, 'a record was passed over')
      }
    }
    registry.log.advance(page.nextOffset)
    for (const waiter of this.#waiters) {
      if (waiter.offset > registry.log.nextOffset) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  async #pauseAfter(error: OperationalError, failureCount: number): Promise<void> {
    const reason = `the log cannot be read: ${errorMessage(error)}`
    this.#options.onState(reason)
    if (failureCount === 1) this.#options.logger.warn({ err: error }, reason)
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(failureCount, 10))
    await delay(pauseMs, undefined, { signal: this.#ending.signal }).catch(() => undefined)
  }

  #repair(): void {
    if (!this.#isCaughtUp || this.#options.registry.log.repairs().length === 0) return
    const repairs = (): Decision<void> => ({
      records: this.#options.registry.log.repairs(),
      response: { ok: true, value: undefined },
    })
    // A failure is met by the next write, or the next turn.
    void this.write(repairs).catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'keys at risk were not restored')
    })
  }

  async #withTimeout<Value>(work: Promise<Value>, message: string): Promise<Value> {
    const timer = new AbortController()
    const timeout = delay(this.#options.timeoutMs, undefined, { signal: timer.signal }).then(
      (): never => {
        throw new StoreError(message, { errorCode: 50002 })
      },
    )
    try {
      return await Promise.race([work, timeout])
    } catch (error) {
      if (error instanceof StoreError || !(error instanceof OperationalError)) throw error
      throw new StoreError(`Error in the store: ${error.message}`, {
        errorCode: 50001,
        cause: error,
      })
    } finally {
      timer.abort()
      timeout.catch(() => undefined)
    }
  }
}

function stoppingError(): StoreError {
  return new StoreError('The registry is stopping', { errorCode: 50001 })
}
