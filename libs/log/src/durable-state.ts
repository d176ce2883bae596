import { DecodeError } from '@fairlead/base'
import type { Crc32c } from '@fairlead/protocol'
import { openEnvelope, sealEnvelope } from './envelope.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import { decodeProducers, encodeProducers, producersBytes } from './producer-snapshot.ts'
import type { ProducerStates } from './producer-state.ts'

/**
 * What a log knows at an offset up to which it is durable: opening replays only what comes behind.
 * It can always be had from the batches themselves, from the start of the log.
 */
export type DurableState = {
  /** Everything below is durable. */
  readonly offset: number
  /** The segment that took the appends then, and where it ended. */
  readonly segmentBaseOffset: number
  readonly positionBytes: number
  readonly leaderEpochs: LeaderEpochs
  readonly producers: ProducerStates
}

/**
 * `<offset>.snap`:
 *
 *   envelope   magic "FLPS", version, CRC32C
 *   point      offset float64 · segment base offset float64 · position uint32
 *   epochs     count uint32 · (epoch int32 · start offset float64)
 *   producers  see producer-snapshot.ts
 */
const FORMAT = { magic: 0x464c5053, version: 3 } as const
const POINT_BYTES = 24
const EPOCH_BYTES = 12

export function encodeDurableState(state: DurableState, crc32c: Crc32c): Uint8Array {
  const epochs = state.leaderEpochs.startedBelow(state.offset)
  const producersPosition = POINT_BYTES + epochs.length * EPOCH_BYTES
  const sizeBytes = producersPosition + producersBytes(state.producers)
  return sealEnvelope(FORMAT, sizeBytes, crc32c, (view) => {
    view.setFloat64(0, state.offset)
    view.setFloat64(8, state.segmentBaseOffset)
    view.setUint32(16, state.positionBytes)
    view.setUint32(20, epochs.length)
    for (const [index, { epoch, startOffset }] of epochs.entries()) {
      view.setInt32(POINT_BYTES + index * EPOCH_BYTES, epoch)
      view.setFloat64(POINT_BYTES + index * EPOCH_BYTES + 4, startOffset)
    }
    encodeProducers(state.producers, view, producersPosition)
  })
}

/** @throws {DecodeError} when the bytes are damaged. */
export function decodeDurableState(
  bytes: Uint8Array,
  context: { readonly nowMs: number; readonly crc32c: Crc32c },
): DurableState {
  const view = openEnvelope(FORMAT, bytes, context.crc32c)
  try {
    const epochCount = view.getUint32(20)
    const epochs = Array.from({ length: epochCount }, (_, index) => ({
      epoch: view.getInt32(POINT_BYTES + index * EPOCH_BYTES),
      startOffset: view.getFloat64(POINT_BYTES + index * EPOCH_BYTES + 4),
    }))
    return {
      offset: view.getFloat64(0),
      segmentBaseOffset: view.getFloat64(8),
      positionBytes: view.getUint32(16),
      leaderEpochs: new LeaderEpochs(epochs),
      producers: decodeProducers(view, POINT_BYTES + epochCount * EPOCH_BYTES, context.nowMs),
    }
  } catch (error) {
    if (error instanceof RangeError) throw new DecodeError('the state is cut short', 0)
    throw error
  }
}
