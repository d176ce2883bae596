import { parentPort } from 'node:worker_threads'
import { invariant } from '@fairlead/base'
import { findRecord, openBatch } from '@fairlead/log'
import { boundedDecompress, compressAt, nativeCrc32c } from '@fairlead/runtime'
import type { BatchAnswer, BatchJob, BatchOutcome } from './batch-thread.ts'

/** The thread of `BatchThread`: one batch after the other. What it makes is handed over, not copied. */
const port = parentPort
invariant(port !== null, 'this module runs as a thread')

port.on('message', ({ id, job }: { readonly id: number; readonly job: BatchJob }) => {
  const outcome = done(job)
  const isRewritten = outcome.kind === 'opened' && outcome.opened.ok
  const answer: BatchAnswer = { id, outcome }
  port.postMessage(answer, isRewritten ? [outcome.opened.records.buffer as ArrayBuffer] : [])
})

function done(job: BatchJob): BatchOutcome {
  const decompress = boundedDecompress(job.decompressedBytesMax)
  if (job.kind === 'find') return { kind: 'found', answer: findRecord(job.query, decompress) }
  const { records, config, nowMs } = job
  const compress = compressAt(config.compressionLevel)
  const options = { config, nowMs, crc32c: nativeCrc32c, compress, decompress }
  return { kind: 'opened', opened: openBatch(records, options) }
}
