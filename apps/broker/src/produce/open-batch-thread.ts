import { parentPort } from 'node:worker_threads'
import { invariant } from '@fairlead/base'
import { openBatch } from '@fairlead/log'
import { boundedDecompress, compressAt, nativeCrc32c } from '@fairlead/runtime'
import type { OpenAnswer, OpenJob } from './batch-opener.ts'

/** The thread of `BatchOpener`: one batch after the other. What it makes is handed over, not copied. */
const port = parentPort
invariant(port !== null, 'this module runs as a thread')

port.on('message', ({ id, records, config, nowMs, decompressedBytesMax }: OpenJob) => {
  const outcome = openBatch(records, {
    config,
    nowMs,
    crc32c: nativeCrc32c,
    compress: compressAt(config.compressionLevel),
    decompress: boundedDecompress(decompressedBytesMax),
  })
  const answer: OpenAnswer = { id, outcome }
  port.postMessage(answer, outcome.ok ? [outcome.records.buffer as ArrayBuffer] : [])
})
