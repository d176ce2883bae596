import { type DiskCallback, StorageError } from './disk.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { LogFiles } from './log-files.ts'
import type { LogWriter } from './log-writer.ts'

/** Recovery after a crash scans about this much of a partition. */
const CHECKPOINT_INTERVAL_BYTES = 16_777_216

export type LogCheckpointsOptions = {
  readonly lifecycle: Lifecycle
  readonly files: LogFiles
  /** Asked later: it does not exist before the log is put together. */
  readonly writer: () => LogWriter
  /** Bytes behind the durable state that was found at opening. */
  readonly replayedBytes: number
}

/** When the durable state of a log is written, so that opening it reads little. */
export class LogCheckpoints {
  readonly #options: LogCheckpointsOptions
  #bytesSinceLast: number
  #isQueued = false

  constructor(options: LogCheckpointsOptions) {
    this.#options = options
    this.#bytesSinceLast = options.replayedBytes
  }

  /** What opening would have to read after a crash now. */
  get recoveryBytes(): number {
    return this.#bytesSinceLast + this.#options.writer().unsyncedBytes
  }

  /** So many bytes more are durable. */
  count(sizeBytes: number): void {
    this.#bytesSinceLast += sizeBytes
  }

  writeIfDue(): void {
    if (this.#bytesSinceLast < CHECKPOINT_INTERVAL_BYTES || this.#isQueued) return
    this.#isQueued = true
    this.write(() => {
      this.#isQueued = false
    })
  }

  /** Writes what is durable when it is its turn; nothing of a log that failed. */
  write(done: DiskCallback<void>): void {
    const { files, lifecycle, writer } = this.#options
    files.checkpoint(() => {
      if (lifecycle.failure !== undefined || lifecycle.isDeleted) return undefined
      this.#bytesSinceLast = 0
      return writer().durable
    }, done)
  }

  /** See `PartitionLog.checkpoint`. */
  flushAndWrite(done: DiskCallback<void>): void {
    const { lifecycle, writer } = this.#options
    if (!lifecycle.isOpen) {
      done({ ok: true, value: undefined })
      return
    }
    writer().flush((isDurable) => {
      if (isDurable) this.write(done)
      else if (lifecycle.failure !== undefined) done({ ok: false, error: lifecycle.failure })
      else if (writer().hasUnsureTail) done({ ok: false, error: noRoom() })
      else done({ ok: true, value: undefined })
    })
  }
}

function noRoom(): StorageError {
  return new StorageError('the disk has no room to make durable what was found', { code: 'ENOSPC' })
}
