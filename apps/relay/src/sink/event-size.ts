import type { RoutedEvent, UnroutableEvent } from '@fairlead/cdc'
import type { OutgoingRecord } from '@fairlead/kafka'

/** Objects and strings around the bytes of an event in memory, roughly. */
const EVENT_OVERHEAD_BYTES = 2_560
const BATCH_HEADER_BYTES = 61
/** Length, attributes, two deltas, two lengths and a header count, each at its longest. */
const RECORD_OVERHEAD_BYTES_MAX = 41
const HEADER_OVERHEAD_BYTES_MAX = 10
const UTF8_BYTES_PER_UNIT_MAX = 3

/** Of what an event takes in memory, what goes to the brokers, roughly. */
export function sentBytes(sizeBytes: number): number {
  return sizeBytes - EVENT_OVERHEAD_BYTES
}

/** What an event takes in memory, for the bound on all of them. */
export function eventSizeBytes(event: RoutedEvent | UnroutableEvent): number {
  const text = event.headersText?.length ?? 0
  if (event.kind === 'routed') return recordSizeBytes(event) + text
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
export function eventCountMax(bytesMax: number): number {
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
  let sizeBytes = BATCH_HEADER_BYTES + RECORD_OVERHEAD_BYTES_MAX
  sizeBytes += (event.key?.length ?? 0) + (event.value?.length ?? 0)
  for (const [name, value] of event.headers) {
    sizeBytes += HEADER_OVERHEAD_BYTES_MAX
    sizeBytes += name.length * UTF8_BYTES_PER_UNIT_MAX + (value?.length ?? 0)
  }
  return sizeBytes
}
