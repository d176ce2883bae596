import type { EncodedRecord, LogEntry } from '@fairlead/schemas'
import { StoreError } from './store-error.ts'
import type { LogPage, SchemaLog } from './schema-log.ts'

/**
 * The topic in memory, for tests: several stores may share one. It fails while `isDown`, and calls
 * `beforeAppend` so that a test can let another writer come first.
 */
export class MemorySchemaLog implements SchemaLog {
  readonly entries: LogEntry[] = []
  readonly #readers = new Set<() => void>()
  isDown = false
  beforeAppend: () => Promise<void> = async () => undefined

  async open(): Promise<void> {
    this.#checkUp()
  }

  async append(
    records: readonly EncodedRecord[],
    expectedOffset: number,
  ): Promise<readonly number[]> {
    this.#checkUp()
    await this.beforeAppend()
    const offsets = records.map((record, index) => {
      const offset = this.entries.length
      this.entries.push({ ...record, offset, expectedOffset: expectedOffset + index })
      return offset
    })
    this.wake()
    return offsets
  }

  async read(fromOffset: number, signal: AbortSignal): Promise<LogPage> {
    this.#checkUp()
    if (this.entries.length <= fromOffset) await this.#nextAppend(signal)
    this.#checkUp()
    const entries = this.entries.slice(fromOffset)
    return { entries, nextOffset: this.entries.length }
  }

  async endOffset(): Promise<number> {
    this.#checkUp()
    return this.entries.length
  }

  async clusterId(): Promise<string> {
    this.#checkUp()
    return 'memory'
  }

  async close(): Promise<void> {
    this.wake()
  }

  /** Lets waiting readers look again. */
  wake(): void {
    for (const reader of this.#readers) reader()
    this.#readers.clear()
  }

  #nextAppend(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#readers.add(wake)
      signal.addEventListener('abort', wake)
    })
  }

  #checkUp(): void {
    if (this.isDown) throw new StoreError('the broker is down', { errorCode: 50001 })
  }
}
