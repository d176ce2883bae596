import { parentPort } from 'node:worker_threads'
import { invariant } from '@fairlead/base'
import { answerApart } from '@fairlead/schemas'
import type { InquiryJob, InquiryReply } from './inquiry-thread.ts'

/** The thread of `InquiryThread`: one inquiry after the other, and nothing kept in between. */
const port = parentPort
invariant(port !== null, 'this module runs as a thread')

const reply = (message: InquiryReply): void => port.postMessage(message)

port.on('message', ({ options, records, inquiry }: InquiryJob) => {
  reply({ kind: 'begun' })
  reply({ kind: 'answered', outcome: answerApart(options, records, inquiry) })
})
