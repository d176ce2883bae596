import type { RoutedEvent, UnroutableEvent } from '@fairlead/cdc'
import type { OutgoingRecord } from '@fairlead/kafka'

/** Objects around the bytes of an event in memory, roughly. */
export const EVENT_OVERHEAD_BYTES = 640
const BATCH_HEADER_BYTES = 61
/** Length, attributes, two deltas, two lengths and a header count, each at its longest. */
const RECORD_OVERHEAD_BYTES_MAX = 41

/** Of what so many events take in memory, what goes to the brokers, roughly. */
export function sentBytes(sizeBytes: number, eventCount: number): number {
  return sizeBytes - eventCount * EVENT_OVERHEAD_BYTES
}

export type BatchBounds = {
  readonly batchRecordsMax: number
  readonly batchBytesMax: number
  /** Of all events in memory. */
  readonly queueBytesMax: number
  /** Batches that are on their way at a time. */
  readonly batchesInFlightMax: number
}

/** What a batch may take of the memory of all events: at least half of it is for others. */
export function batchMemoryMax({ queueBytesMax, batchesInFlightMax }: BatchBounds): number {
  return queueBytesMax / Math.max(2, batchesInFlightMax)
}

/**
 * How far a record that is missing in a topic can lie behind the newest one: of the batches that were on
 * their way when the relay died a record may have been refused, and not parked yet. Bytes are those sent.
 */
export function inFlightMax(bounds: BatchBounds): {
  readonly records: number
  readonly bytes: number
} {
  const { batchRecordsMax, batchBytesMax, batchesInFlightMax } = bounds
  const records = Math.min(batchRecordsMax, eventCountMax(batchMemoryMax(bounds)))
  return { records: records * batchesInFlightMax, bytes: batchBytesMax * batchesInFlightMax }
}

/** What an event takes in memory, for the bound on all of them. */
export function eventSizeBytes(event: RoutedEvent | UnroutableEvent): number {
  const text = event.headersText?.length ?? 0
  if (event.kind === 'routed') return EVENT_OVERHEAD_BYTES + text + bodyBytes(event)
  return EVENT_OVERHEAD_BYTES + text + (event.value?.length ?? 0)
}

/** What the event of a record took in memory at least, unless its value was encoded after that. */
export function recordSizeBytes({
  key,
  value,
  headers,
}: Pick<OutgoingRecord, 'key' | 'value' | 'headers'>): number {
  let sizeBytes = EVENT_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, bytes] of headers) sizeBytes += name.length + (bytes?.length ?? 0)
  return sizeBytes
}

/** How many events can take so much memory together. */
function eventCountMax(bytesMax: number): number {
  return Math.max(1, Math.floor(bytesMax / EVENT_OVERHEAD_BYTES))
}

/** Why the record is too large for a batch of `bytesMax`; undefined when it is not. */
export function sizeFault(event: RoutedEvent, bytesMax: number): string | undefined {
  const batchBytes = recordBatchBytesMax(event)
  if (batchBytes <= bytesMax) return undefined
  return `the record takes up to ${batchBytes} bytes, ${bytesMax} are allowed`
}

/** The most that a batch with only this record can take on the wire. */
function recordBatchBytesMax(event: RoutedEvent): number {
  return BATCH_HEADER_BYTES + RECORD_OVERHEAD_BYTES_MAX + bodyBytes(event)
}

function bodyBytes({ body: { start, end } }: RoutedEvent): number {
  return end - start
}
