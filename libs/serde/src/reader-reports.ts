import { randomUUID } from 'node:crypto'
import type { RegistryClient, SchemaText } from './types.ts'
import type { SchemaName } from './wire-format.ts'

/** That a consumer group reads what was written with one schema, with a schema of its own. */
export type Reading = {
  readonly group: string
  readonly written: SchemaName
  readonly schema: SchemaText
}

export type ReaderReportsOptions = {
  readonly registry: Pick<RegistryClient, 'reportReader'>
  /** Default 5 minutes. */
  readonly everyMs?: number
}

const EVERY_MS = 5 * 60 * 1_000
const READINGS_MAX = 1_000

/**
 * Tells the registry with which schemas this process reads, so that a check of a new schema can name
 * the groups that it would break: at once, and again from time to time until it is closed. A registry
 * that does not know such reports, or is away, disturbs nothing.
 */
export class ReaderReports {
  readonly #registry: Pick<RegistryClient, 'reportReader'>
  readonly #member = randomUUID()
  readonly #readings = new Map<string, Reading>()
  /** Those that are to be told next. */
  readonly #due = new Set<Reading>()
  readonly #timer: NodeJS.Timeout
  #isReporting = false

  constructor({ registry, everyMs = EVERY_MS }: ReaderReportsOptions) {
    this.#registry = registry
    this.#timer = setInterval(() => this.#report(this.#readings.values()), everyMs).unref()
  }

  /** Call it once for each schema that is met; again does no harm. */
  reads(reading: Reading): void {
    const key = JSON.stringify(reading)
    if (this.#readings.has(key) || this.#readings.size >= READINGS_MAX) return
    this.#readings.set(key, reading)
    this.#report([reading])
  }

  close(): void {
    clearInterval(this.#timer)
    this.#due.clear()
  }

  #report(readings: Iterable<Reading>): void {
    for (const reading of readings) this.#due.add(reading)
    if (!this.#isReporting) void this.#reportDue()
  }

  async #reportDue(): Promise<void> {
    this.#isReporting = true
    for (const reading of this.#due) {
      this.#due.delete(reading)
      const { group, written, schema } = reading
      // It is told again; and who reads must not fail for it.
      await this.#registry
        .reportReader(written, { group, member: this.#member, schema })
        .catch(() => undefined)
    }
    this.#isReporting = false
  }
}
