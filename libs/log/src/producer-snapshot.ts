import { type ProducerBatch, type ProducerEntry, ProducerStates } from './producer-state.ts'

/**
 * The producers of a partition, as a part of its durable state:
 *
 *   count      uint32
 *   producers  producerId float64 · last seen float64 · epoch int16 · batch count uint8 · batches
 *   batch      baseSequence int32 · lastSequence int32 · baseOffset float64 · lastOffset float64
 *
 * Kafka's own snapshot keeps the last batch only; a retry of an older one would not be recognised
 * after a restart. float64 holds every offset exactly.
 */
const COUNT_BYTES = 4
const PRODUCER_BYTES = 19
const BATCH_BYTES = 24

export function producersBytes(states: ProducerStates): number {
  let sizeBytes = COUNT_BYTES
  for (const [, { batches }] of states.entries()) {
    sizeBytes += PRODUCER_BYTES + batches.length * BATCH_BYTES
  }
  return sizeBytes
}

export function encodeProducers(states: ProducerStates, view: DataView, start: number): void {
  view.setUint32(start, states.size)
  let position = start + COUNT_BYTES
  for (const [producerId, { producerEpoch, batches, lastSeenMs }] of states.entries()) {
    view.setFloat64(position, producerId)
    view.setFloat64(position + 8, lastSeenMs)
    view.setInt16(position + 16, producerEpoch)
    view.setUint8(position + 18, batches.length)
    position += PRODUCER_BYTES
    for (const batch of batches) {
      view.setInt32(position, batch.baseSequence)
      view.setInt32(position + 4, batch.lastSequence)
      view.setFloat64(position + 8, batch.baseOffset)
      view.setFloat64(position + 16, batch.lastOffset)
      position += BATCH_BYTES
    }
  }
}

/** @throws {RangeError} when the bytes end before the producers. */
export function decodeProducers(view: DataView, start: number, nowMs: number): ProducerStates {
  const states = new ProducerStates()
  const count = view.getUint32(start)
  let position = start + COUNT_BYTES
  for (let index = 0; index < count; index += 1) {
    const batchCount = view.getUint8(position + 18)
    const entry: ProducerEntry = {
      producerEpoch: view.getInt16(position + 16),
      batches: decodeBatches(view, position + PRODUCER_BYTES, batchCount),
      // The wall clock may have gone back: nobody was seen in the future.
      lastSeenMs: Math.min(view.getFloat64(position + 8), nowMs),
    }
    states.set(view.getFloat64(position), entry)
    position += PRODUCER_BYTES + batchCount * BATCH_BYTES
  }
  return states
}

function decodeBatches(view: DataView, position: number, count: number): ProducerBatch[] {
  return Array.from({ length: count }, (_, index) => {
    const start = position + index * BATCH_BYTES
    return {
      baseSequence: view.getInt32(start),
      lastSequence: view.getInt32(start + 4),
      baseOffset: view.getFloat64(start + 8),
      lastOffset: view.getFloat64(start + 16),
    }
  })
}
