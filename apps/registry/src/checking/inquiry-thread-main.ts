import { parentPort } from 'node:worker_threads'
import { invariant } from '@fairlead/base'
import { answerApart } from '@fairlead/schemas'
import type { InquiryJob, InquiryOutcome } from './inquiry-thread.ts'

/** The thread of `InquiryThread`: one inquiry after the other, and nothing kept in between. */
const port = parentPort
invariant(port !== null, 'this module runs as a thread')

port.on('message', ({ options, records, inquiry }: InquiryJob) => {
  const outcome: InquiryOutcome = answerApart(options, records, inquiry)
  port.postMessage(outcome)
})
