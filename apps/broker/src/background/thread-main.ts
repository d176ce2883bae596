import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { invariant } from '@fairlead/base'
import {
  type DamagedRange,
  type DiskCallback,
  type DiskTask,
  type SegmentRange,
  StorageError,
  compactLog,
  runTask,
  scrubLog,
} from '@fairlead/log'
import { blockingDisk, boundedDecompress, compress, nativeCrc32c } from '@fairlead/runtime'
import { DECOMPRESSED_BYTES_MAX } from '../limits.ts'
import { IoRate } from './io-rate.ts'
import {
  type BackgroundJob,
  CANCELLED,
  CANCEL_WORD,
  type JobEnd,
  type JobReport,
  RATE_POSITION,
} from './messages.ts'

/**
 * A thread for what would hold the event loop: it takes one job after the other and blocks on its
 * reads and writes, and on the clock to hold its rate.
 */
const control = new Int32Array(workerData as SharedArrayBuffer)
const rateOfJob = new Float64Array(workerData as SharedArrayBuffer, RATE_POSITION, 1)
const port = parentPort
invariant(port !== null, 'this module runs in a thread of its own')

yieldToEventLoop()
port.on('message', (job: BackgroundJob) => perform(job, (report) => port.postMessage(report)))

function perform(next: BackgroundJob, report: (to: JobReport | JobEnd) => void): void {
  const disk = blockingDisk(paced(new IoRate()))
  const crc32c = nativeCrc32c
  switch (next.kind) {
    case 'compact': {
      const codecs = { compress, decompress: boundedDecompress(DECOMPRESSED_BYTES_MAX) }
      const onSegment = (range: SegmentRange, done: DiskCallback<void>): void => {
        report({ kind: 'segment', range })
        done({ ok: true, value: undefined })
      }
      end(compactLog(next.job, { disk, crc32c, codecs, onSegment }), (result) => {
        report({ kind: 'compacted', result })
      })
      break
    }
    case 'scrub': {
      const onDamage = (range: DamagedRange): void => report({ kind: 'damage', range })
      end(scrubLog(next.job, { disk, crc32c, onDamage }), (readBytes) => {
        report({ kind: 'scrubbed', readBytes })
      })
      break
    }
  }

  function end<Value>(task: DiskTask<Value>, onDone: (value: Value) => void): void {
    runTask(task, (outcome) => {
      if (outcome.ok) onDone(outcome.value)
      else report({ kind: 'failed', code: outcome.error.code, message: outcome.error.message })
    })
  }
}

/** Sleeps until the bytes may pass; wakes when the job is cancelled, or its rate changes. */
function paced(rate: IoRate): (bytes: number) => StorageError | undefined {
  return (bytes) => {
    const bytesPerSecond = rateOfJob[0] ?? Number.MAX_VALUE
    const delayMs = rate.delayMs(bytes, { bytesPerSecond, nowMs: performance.now() })
    if (delayMs > 0) Atomics.wait(control, CANCEL_WORD, 0, delayMs)
    return Atomics.load(control, CANCEL_WORD) === 0
      ? undefined
      : new StorageError('the job was cancelled', { code: CANCELLED })
  }
}

/** On Linux a thread has a priority of its own: clients come first when processors are short. */
function yieldToEventLoop(): void {
  if (process.platform !== 'linux') return
  const threadId = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
  setPriority(threadId, constants.priority.PRIORITY_LOW)
}
