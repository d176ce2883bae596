import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import type { TopicPartition } from '../records.ts'

export type PartitionError = TopicPartition & { readonly errorCode: number }

/** An array of topics, each with an array of its partitions, as most requests have them. `write` writes one partition. */
export function writeByTopic<Partition extends TopicPartition>(
  writer: ByteWriter,
  partitions: readonly Partition[],
  write: (partition: Partition) => void,
): void {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)]
  writer.array(topics, ([topic, ofTopic]) => writer.string(topic).array(ofTopic, write).tags())
}

/** As {@link writeByTopic}, of partitions of which nothing but their numbers is told. */
export function writePartitions(writer: ByteWriter, partitions: readonly TopicPartition[]): void {
  writeByTopic(writer, partitions, ({ partition }) => writer.int32(partition))
}

/** The partitions of all topics of a response. `read` reads the structure of one. */
export function readByTopic<Partition>(
  reader: ByteReader,
  read: (topic: string) => Partition,
): Partition[] {
  const topics = reader.array(() =>
    reader.struct(() => {
      const topic = reader.string()
      return reader.array(() => reader.struct(() => read(topic)))
    }),
  )
  return topics.flat()
}

/** As {@link readByTopic}, of partitions of which nothing but their errors is told. */
export function readPartitionErrors(reader: ByteReader): PartitionError[] {
  return readByTopic(reader, (topic) => ({
    topic,
    partition: reader.int32(),
    errorCode: reader.int16(),
  }))
}
