export const CONSUMER_OFFSETS_TOPIC = '__consumer_offsets'

/** The log of the metadata; it is no topic that clients see. */
export const CLUSTER_METADATA_TOPIC = '__cluster_metadata'

/** As Kafka creates it: compacted, in segments small enough to be loaded quickly. */
export const CONSUMER_OFFSETS_CONFIGS: readonly {
  readonly name: string
  readonly value: string
}[] = [
  { name: 'cleanup.policy', value: 'compact' },
  { name: 'segment.bytes', value: '104857600' },
]
