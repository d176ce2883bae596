import type { TopicPartition } from '../records.ts'

/**
 * The partitions in a member's assignment, as Kafka's consumers write it (ConsumerProtocol: int16
 * version, topics with int32 partitions, user data). Other protocols have formats of their own:
 * what cannot be read is shown as no partitions.
 */
export function decodeAssignment(bytes: Uint8Array): readonly TopicPartition[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const partitions: TopicPartition[] = []
  let position = 2
  try {
    const topicCount = view.getInt32(position)
    position += 4
    for (let topicIndex = 0; topicIndex < topicCount; topicIndex += 1) {
      const lengthBytes = view.getInt16(position)
      position += 2
      const topic = new TextDecoder().decode(bytes.subarray(position, position + lengthBytes))
      position += lengthBytes
      const partitionCount = view.getInt32(position)
      position += 4
      for (let index = 0; index < partitionCount; index += 1) {
        partitions.push({ topic, partition: view.getInt32(position) })
        position += 4
      }
    }
    return partitions
  } catch (error) {
    if (error instanceof RangeError) return []
    throw error
  }
}
