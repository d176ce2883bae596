import {
  type Inquiry,
  type InquiryAnswer,
  type InquiryBasis,
  type InquiryOf,
  type SchemaRegistry,
  basisRecords,
} from '@fairlead/schemas'
import { InquiryThread } from './inquiry-thread.ts'

/** On the event loop, where reading takes at most some 5 ms: 0.2 to 0.3 ms for each kilobyte. */
const LENGTH_ON_LOOP_MAX = 16_384
/** An explanation tries a patch for each of up to 100 reasons, and parses what it makes. */
const EXPLAINED_LENGTH_ON_LOOP_MAX = 1_024

/** Answers what takes reading schemas: at once what is small, and on a thread what is not. */
export class Inquiries {
  readonly #registry: SchemaRegistry
  readonly #thread: InquiryThread

  constructor(registry: SchemaRegistry, thread: InquiryThread = new InquiryThread()) {
    this.#registry = registry
    this.#thread = thread
  }

  isForThread(inquiry: Inquiry, { textLength }: InquiryBasis): boolean {
    const isExplained = inquiry.kind === 'explain'
    return textLength > (isExplained ? EXPLAINED_LENGTH_ON_LOOP_MAX : LENGTH_ON_LOOP_MAX)
  }

  /** The answer as the image is now. @throws what `InquiryThread.ask` throws. */
  async answer<Kind extends Inquiry['kind']>(
    inquiry: InquiryOf<Kind>,
    basis: InquiryBasis = this.#registry.inquiryBasis(inquiry),
  ): Promise<InquiryAnswer<Kind>> {
    if (!this.isForThread(inquiry, basis)) return this.#registry.answer(inquiry)
    const { options } = this.#registry
    const job = () => ({ options, records: basisRecords(basis), inquiry })
    return (await this.#thread.ask(job, basis.textLength)) as InquiryAnswer<Kind>
  }

  get waitingCount(): number {
    return this.#thread.waitingCount
  }

  async stop(): Promise<void> {
    await this.#thread.stop()
  }
}
