import { readFile } from 'node:fs/promises'
import {
  type ClientOptions,
  type OutgoingRecord,
  createClusterAdmin,
  createProducer,
} from '@fairlead/kafka'
import { EXIT, type ExitCode, UsageError } from '../command/command.ts'
import type { CatOptions } from './cat-options.ts'
import type { CatTerminal } from './cat.ts'
import { splitStream } from './split-stream.ts'

/** Records sent at once, and what may be read ahead while they are under way. */
const BATCH_RECORDS_MAX = 1_000
/** Kafka's `max.request.size`. A line cannot be longer. */
const RECORD_BYTES_MAX = 1_048_576

/** Sends each line of stdin, or each file, as one record. Ends when all are acknowledged. */
export async function produce(
  client: ClientOptions,
  options: CatOptions,
  terminal: CatTerminal,
): Promise<ExitCode> {
  const admin = createClusterAdmin(client)
  try {
    await admin.useTopic(options.topic ?? '')
  } finally {
    await admin.close()
  }
  const { compression } = options
  const producer = createProducer({ ...client, compression })
  try {
    let batch: OutgoingRecord[] = []
    let remaining = options.recordCountMax
    for await (const bytes of payloads(options, terminal)) {
      if (remaining <= 0) break
      remaining -= 1
      batch.push(recordOf(bytes, options))
      if (batch.length < BATCH_RECORDS_MAX && !options.isUnbuffered) continue
      await producer.send(batch)
      batch = []
    }
    if (batch.length > 0) await producer.send(batch)
    return terminal.signal.aborted ? EXIT.interrupted : EXIT.ok
  } finally {
    await producer.close()
  }
}

async function* payloads(
  options: CatOptions,
  { stdin }: CatTerminal,
): AsyncGenerator<Uint8Array, void, void> {
  const { operands, isFilePerLine, delimiter } = options
  const split = { delimiter: Buffer.from(delimiter), lengthBytesMax: RECORD_BYTES_MAX }
  if (operands.length === 0) {
    yield* splitStream(stdin, split)
    return
  }
  for (const path of operands) {
    const content = await readFile(path)
    if (isFilePerLine) yield* splitStream([content], split)
    else yield content
  }
}

function recordOf(bytes: Uint8Array, options: CatOptions): OutgoingRecord {
  const { keyDelimiter, key, isEmptyNull, partition, topic, headers } = options
  const split = keyDelimiter === undefined ? -1 : Buffer.from(bytes).indexOf(keyDelimiter)
  const keyBytes = split < 0 ? optionalBytes(key) : bytes.subarray(0, split)
  const value = split < 0 ? bytes : bytes.subarray(split + Buffer.byteLength(keyDelimiter ?? ''))
  const orNull = (part: Uint8Array | null) =>
    isEmptyNull && part !== null && part.length === 0 ? null : part
  if (topic === undefined) throw new UsageError('-t names the topic')
  return {
    topic,
    partition: partition === undefined || partition < 0 ? undefined : partition,
    key: orNull(keyBytes),
    value: orNull(value),
    headers: headers.map(([name, text]) => [name, Buffer.from(text)]),
  }
}

function optionalBytes(text: string | undefined): Uint8Array | null {
  return text === undefined ? null : Buffer.from(text)
}
