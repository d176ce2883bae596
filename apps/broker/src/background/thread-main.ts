import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { invariant } from '@fairlead/base'
import { StorageError, compactLog, runTask } from '@fairlead/log'
import { blockingDisk, compress, nativeCrc32c } from '@fairlead/runtime'
import { decompress } from '../partitions/decompress.ts'
import { IoRate } from './io-rate.ts'
import { type BackgroundJob, type BackgroundReport, CANCELLED, CANCEL_WORD } from './messages.ts'

/**
 * A thread for what would hold the event loop: it takes one job after the other and blocks on its
 * reads and writes, and on the clock to hold its rate.
 */
const control = new Int32Array(workerData as SharedArrayBuffer)
const port = parentPort
invariant(port !== null, 'this module runs in a thread of its own')

yieldToEventLoop()
port.on('message', (job: BackgroundJob) => perform(job, (report) => port.postMessage(report)))

function perform({ job, bytesPerSecond }: BackgroundJob, report: (to: BackgroundReport) => void) {
  const disk = blockingDisk(paced(new IoRate(bytesPerSecond)))
  const ports = {
    disk,
    crc32c: nativeCrc32c,
    codecs: { compress, decompress },
    onSegment: (range, done) => {
      report({ kind: 'segment', range })
      done({ ok: true, value: undefined })
    },
  } satisfies Parameters<typeof compactLog>[1]
  runTask(compactLog(job, ports), (outcome) => {
    if (outcome.ok) report({ kind: 'compacted', result: outcome.value })
    else report({ kind: 'failed', code: outcome.error.code, message: outcome.error.message })
  })
}

/** Sleeps until the bytes may pass; wakes when the job is cancelled. */
function paced(rate: IoRate): (bytes: number) => StorageError | undefined {
  return (bytes) => {
    const delayMs = rate.delayMs(bytes, performance.now())
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
