import {
  type ClientOptions,
  type IncomingRecord,
  KafkaError,
  type Reader,
  type TopicPartition,
  createAdmin,
  createReader,
} from '@fairlead/kafka'
import { EXIT, type ExitCode } from '../command/command.ts'
import type { CatOptions, StartOffset } from './cat-options.ts'
import type { CatTerminal } from './cat.ts'
import { RecordPrinter } from './record-printer.ts'

const MAX_WAIT_MS = 500
const MAX_BYTES = 1_048_576

/** Prints partitions from a point on, until Ctrl-C, the end (`-e`), a count (`-c`) or a time. */
export async function consume(
  client: ClientOptions,
  options: CatOptions,
  terminal: CatTerminal,
): Promise<ExitCode> {
  const topic = options.topic ?? ''
  const admin = createAdmin(client)
  const reader = createReader(client)
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, terminal.signal])
  try {
    const partitions = await partitionsOf(topic, options, () => admin.partitionCount(topic))
    const starts = await Promise.all(
      partitions.map(async (partition) => {
        const target = { topic, partition }
        const fromOffset = await startOffset(target, options.start, (timestamp) =>
          admin.listOffsets({ ...target, timestamp }),
        )
        return { ...target, fromOffset }
      }),
    )
    const sink = new RecordSink(options, terminal, () => stop.abort())
    if (options.recordCountMax > 0) {
      await Promise.all(
        starts.map((start) => printPartition(reader, start, { sink, options, signal })),
      )
    }
    return terminal.signal.aborted ? EXIT.interrupted : EXIT.ok
  } finally {
    await Promise.all([admin.close(), reader.close()])
  }
}

async function partitionsOf(
  topic: string,
  { partition }: CatOptions,
  countOf: () => Promise<number | undefined>,
): Promise<readonly number[]> {
  const count = await countOf()
  const isMissing = count === undefined || (partition ?? -1) >= count
  if (isMissing) {
    const what = count === undefined ? `topic ${topic}` : `partition ${topic}-${partition}`
    throw new KafkaError(`there is no ${what}`, {
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      retryable: false,
    })
  }
  if (partition !== undefined && partition >= 0) return [partition]
  return Array.from({ length: count }, (_, index) => index)
}

async function startOffset(
  { topic, partition }: TopicPartition,
  start: StartOffset,
  offsetAt: (timestamp: 'earliest' | 'latest' | number) => Promise<number>,
): Promise<number> {
  switch (start.kind) {
    case 'end':
      return offsetAt('latest')
    case 'offset':
      return start.offset
    case 'beforeEnd': {
      const [earliest, latest] = await Promise.all([offsetAt('earliest'), offsetAt('latest')])
      return Math.max(earliest, latest - start.count)
    }
    case 'timestamp': {
      const found = await offsetAt(start.timestampMs)
      return found < 0 ? offsetAt('latest') : found
    }
    case 'beginning':
      return offsetAt('earliest')
    case 'stored':
      throw new Error(`${topic}-${partition}: a stored offset needs a group`)
  }
}

async function printPartition(
  reader: Reader,
  start: TopicPartition & { readonly fromOffset: number },
  run: { readonly sink: RecordSink; readonly options: CatOptions; readonly signal: AbortSignal },
): Promise<void> {
  const { sink, options, signal } = run
  const { topic, partition } = start
  let { fromOffset } = start
  while (!signal.aborted) {
    const fetched = await reader
      .fetch({ topic, partition, fromOffset, maxWaitMs: MAX_WAIT_MS, maxBytes: MAX_BYTES, signal })
      .catch((error: unknown) => {
        if (signal.aborted) return undefined
        throw error
      })
    if (fetched === undefined) return
    const isPast = await sink.print(fetched.records)
    fromOffset = fetched.nextOffset
    const isAtEnd = fromOffset >= fetched.highWatermark
    if (isAtEnd && options.exitAtEnd)
      sink.note(`reached the end of ${topic} [${partition}] at ${fromOffset}`)
    if (isPast || (isAtEnd && options.exitAtEnd)) return
  }
}

/** Where the records of all partitions are printed, one after the other, up to the count. */
export class RecordSink {
  readonly #printer: RecordPrinter
  readonly #options: CatOptions
  readonly #terminal: CatTerminal
  readonly #onFull: () => void
  #writing: Promise<unknown> = Promise.resolve()
  #count = 0

  constructor(options: CatOptions, terminal: CatTerminal, onFull: () => void) {
    this.#printer = new RecordPrinter(options)
    this.#options = options
    this.#terminal = terminal
    this.#onFull = onFull
  }

  /** Resolves with true when a record was behind the stop time: the partition is done. */
  print(records: readonly IncomingRecord[]): Promise<boolean> {
    const printed = this.#writing.then(() => this.#print(records))
    this.#writing = printed.catch(() => undefined)
    return printed
  }

  note(text: string): void {
    if (!this.#options.isQuiet) this.#terminal.stderr(`% ${text}\n`)
  }

  async #print(records: readonly IncomingRecord[]): Promise<boolean> {
    const { stopTimestampMs = Number.POSITIVE_INFINITY, recordCountMax } = this.#options
    const chunks: Uint8Array[] = []
    let isPast = false
    for (const record of records) {
      isPast = record.timestampMs >= stopTimestampMs
      if (isPast || this.#count >= recordCountMax) break
      chunks.push(await this.#printer.format(record))
      this.#count += 1
    }
    if (chunks.length > 0) await this.#terminal.write(Buffer.concat(chunks))
    if (this.#count >= recordCountMax) this.#onFull()
    return isPast
  }
}
