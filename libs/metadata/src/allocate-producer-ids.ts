import type { Decision } from './decision.ts'
import type { MetadataImage } from './metadata-image.ts'

/** Ids per block, as in Kafka: one record in the log per thousand producers. */
export const PRODUCER_ID_BLOCK_SIZE: number = 1000

export type ProducerIdBlock = {
  readonly firstProducerId: number
  readonly count: number
}

/**
 * Takes the next block of producer ids. The broker hands them out once the record is durable; what
 * a crash leaves of a block is never used.
 */
export function allocateProducerIds(
  image: MetadataImage,
  { brokerId }: { readonly brokerId: number },
): Decision<ProducerIdBlock> {
  const firstProducerId = image.nextProducerId
  const nextProducerId = firstProducerId + PRODUCER_ID_BLOCK_SIZE
  return {
    records: [{ kind: 'ProducerIdsRecord', brokerId, brokerEpoch: 0, nextProducerId }],
    response: { firstProducerId, count: PRODUCER_ID_BLOCK_SIZE },
  }
}
