import { parentPort } from 'node:worker_threads'
import { invariant } from '@fairlead/base'
import { type DocumentsByText, WeightedCache, answerApart } from '@fairlead/schemas'
import type { InquiryJob, InquiryReply } from './inquiry-thread.ts'

/**
 * Texts of stored schemas that stay parsed. A check of a record of 1,000 fields parses two of 40,000 letters,
 * of which one is the same the next time. Parsed they take some twenty times as much.
 */
const KEPT_LENGTH_MAX = 262_144
const KEPT_MAX = 16

/** The thread of `InquiryThread`: one inquiry after the other. */
const port = parentPort
invariant(port !== null, 'this module runs as a thread')

const documentsByText: DocumentsByText = new WeightedCache({
  countMax: KEPT_MAX,
  weightMax: KEPT_LENGTH_MAX,
})
const reply = (message: InquiryReply): void => port.postMessage(message)

port.on('message', ({ options, records, inquiry }: InquiryJob) => {
  reply({ kind: 'begun' })
  reply({ kind: 'answered', outcome: answerApart(options, records, inquiry, documentsByText) })
})
