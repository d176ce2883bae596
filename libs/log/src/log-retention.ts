import { offset } from '@fairlead/base'
import type { DiskCallback } from './disk.ts'
import { type Lifecycle, unavailable } from './lifecycle.ts'
import type { LogAppends } from './log-appends.ts'
import type { LogConfig } from './log-config.ts'
import type { LogFiles } from './log-files.ts'
import type { DeletedRecords } from './outcomes.ts'
import type { Watermarks } from './watermarks.ts'

export type LogRetentionOptions = {
  readonly lifecycle: Lifecycle
  readonly watermarks: Watermarks
  readonly files: LogFiles
  readonly appends: LogAppends
}

/** How a log loses its oldest records: by age and size, or because somebody deletes them. */
export class LogRetention {
  readonly #options: LogRetentionOptions

  constructor(options: LogRetentionOptions) {
    this.#options = options
  }

  /** See `PartitionLog.enforceRetention`. */
  enforce(
    limits: { readonly config: LogConfig; readonly nowMs: number },
    done: DiskCallback<void>,
  ): void {
    const { appends, files, lifecycle } = this.#options
    if (lifecycle.changeRefusal() !== undefined) {
      done({ ok: true, value: undefined })
      return
    }
    appends.expireProducers(limits.nowMs)
    if (files.expiredCount(limits) === files.segments.length) {
      appends.writer.requestRoll(limits.nowMs)
    }
    files.removeExpired(limits, done)
  }

  /** See `PartitionLog.deleteRecords`. */
  deleteRecords(beforeOffset: number, done: (result: DeletedRecords) => void): void {
    const { appends, files, lifecycle, watermarks } = this.#options
    const { highWatermark } = watermarks
    const target = beforeOffset === -1 ? highWatermark : beforeOffset
    const refusal = lifecycle.changeRefusal()
    if (refusal !== undefined) {
      done(refusal)
      return
    }
    if (target < 0 || target > highWatermark) {
      const message = `${beforeOffset} is not from 0 to the high watermark ${highWatermark}`
      done({ ok: false, errorCode: 'OFFSET_OUT_OF_RANGE', message })
      return
    }
    // A log that starts above its end could not be opened: in mode os nothing below may be durable yet.
    appends.writer.flush((isDurable) => {
      const hasStopped = isDurable ? undefined : lifecycle.changeRefusal()
      if (hasStopped !== undefined || target > appends.writer.durable.nextOffset) {
        done(hasStopped ?? NOT_DURABLE)
        return
      }
      files.raiseLogStart(target, (result) => {
        if (result.ok) done({ ok: true, logStartOffset: offset(files.logStartOffset) })
        else done(unavailable('KAFKA_STORAGE_ERROR', result.error.message))
      })
    })
  }
}

/** The disk is full, or no file is left. */
const NOT_DURABLE = unavailable('KAFKA_STORAGE_ERROR', 'what is below cannot be made durable now')
