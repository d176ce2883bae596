import type { RoutedEvent, UnroutableEvent } from '@fairlead/cdc'

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
  const bytes =
    event.kind === 'routed'
      ? (event.key?.length ?? 0) +
        event.headers.reduce((sum, [name, value]) => sum + name.length + (value?.length ?? 0), 0)
      : 0
  const text = event.headersText?.length ?? 0
  return EVENT_OVERHEAD_BYTES + bytes + text + (event.value?.length ?? 0)
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
