import { invariant } from '@fairlead/base'

export type WalBudgetOptions = {
  /** WAL that a slot may keep back, in bytes; undefined leaves it to `max_slot_wal_keep_size`. */
  readonly budgetBytes: number | undefined
  /** Of the limit: from here on the level is `warning`, or `critical`. */
  readonly warningPercent: number
  readonly criticalPercent: number
}

/** A slot as `pg_replication_slots` shows it at some moment. */
export type SlotReading = {
  readonly atMs: number
  readonly retainedBytes: number
  /** `safe_wal_size`: null without `max_slot_wal_keep_size`; negative once the slot is in danger. */
  readonly safeWalBytes: number | null
  /** `wal_status` is `lost`. */
  readonly isLost: boolean
}

/**
 * - `exhausted`: the slot keeps back as much as it may, or more. Postgres removes it at its next
 *   checkpoint where the limit is `max_slot_wal_keep_size`; nobody does where it is the budget alone.
 * - `lost`: its WAL is gone.
 */
export type WalLevel = 'ok' | 'warning' | 'critical' | 'exhausted' | 'lost'

export type WalForecast = {
  readonly level: WalLevel
  readonly retainedBytes: number
  /** The nearer of the two limits; null when there is none. */
  readonly limitBytes: number | null
  /** Of the limit, from 0; more than 1 is beyond it. */
  readonly usedRatio: number | null
  /** Of what is kept back; negative while it shrinks, null before enough is known. */
  readonly growthBytesPerSecond: number | null
  /** Until the limit at the present growth; null when it does not grow, or has no limit. */
  readonly etaSeconds: number | null
}

/** `restart_lsn` moves in steps, at the records of running transactions: a slope needs several. */
const WINDOW_MS = 300_000
const SLOPE_AFTER_MS = 15_000
const READINGS_MAX = 600

/**
 * How much of the log a slot keeps back, measured by what it may, and when that comes to an end. A slot
 * that nobody reads fills the disk, or loses its WAL: both are told before they happen.
 */
export class WalBudget {
  readonly #options: WalBudgetOptions
  /** Oldest first. */
  #readings: readonly SlotReading[] = []

  constructor(options: WalBudgetOptions) {
    invariant(
      options.warningPercent <= options.criticalPercent,
      'a warning comes before what is critical',
    )
    this.#options = options
  }

  /** Called every few seconds, with the clock moving forward. */
  observe(reading: SlotReading): WalForecast {
    this.#readings = [...this.#readings, reading]
      .filter(({ atMs }) => atMs > reading.atMs - WINDOW_MS)
      .slice(-READINGS_MAX)
    const { retainedBytes } = reading
    const limitBytes = this.#limitOf(reading)
    const usedRatio = limitBytes === null ? null : retainedBytes / limitBytes
    const growthBytesPerSecond = this.#growth()
    const leftBytes = limitBytes === null ? null : Math.max(0, limitBytes - retainedBytes)
    const grows = growthBytesPerSecond !== null && growthBytesPerSecond > 0
    return {
      level: reading.isLost ? 'lost' : this.#levelOf(usedRatio),
      retainedBytes,
      limitBytes,
      usedRatio,
      growthBytesPerSecond,
      etaSeconds: leftBytes !== null && grows ? leftBytes / growthBytesPerSecond : null,
    }
  }

  #limitOf({ retainedBytes, safeWalBytes }: SlotReading): number | null {
    const limits = [
      ...(this.#options.budgetBytes === undefined ? [] : [this.#options.budgetBytes]),
      ...(safeWalBytes === null ? [] : [Math.max(1, retainedBytes + safeWalBytes)]),
    ]
    return limits.length === 0 ? null : Math.min(...limits)
  }

  #levelOf(usedRatio: number | null): WalLevel {
    const { warningPercent, criticalPercent } = this.#options
    if (usedRatio === null) return 'ok'
    if (usedRatio >= 1) return 'exhausted'
    const usedPercent = usedRatio * 100
    if (usedPercent >= criticalPercent) return 'critical'
    return usedPercent >= warningPercent ? 'warning' : 'ok'
  }

  #growth(): number | null {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)]
    if (first === undefined || last === undefined) return null
    const elapsedMs = last.atMs - first.atMs
    if (elapsedMs < SLOPE_AFTER_MS) return null
    return ((last.retainedBytes - first.retainedBytes) / elapsedMs) * 1_000
  }
}
