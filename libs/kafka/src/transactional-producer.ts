import type {
  PlacedRecord,
  TransactionalProducer,
  TransactionalProducerOptions,
} from './clients.ts'
import { KafkaError } from './kafka-error.ts'
import { Producer } from './producer.ts'
import type { RecordLocation } from './records.ts'

export function createTransactionalProducer(
  options: TransactionalProducerOptions,
): TransactionalProducer {
  const producer = new Producer(options)
  return {
    begin: () => producer.begin(),
    commit: (records) => inTransaction(producer, records),
    close: () => producer.close(),
  }
}

/**
 * Any failure but a refusal of records leaves the fate of the transaction open, and ends the producer:
 * the next InitProducerId of the id settles it.
 */
async function inTransaction(
  producer: Producer,
  records: readonly PlacedRecord[],
): Promise<readonly RecordLocation[]> {
  const partitions = new Map(
    records.map(({ topic, partition }) => [`${topic}-${partition}`, { topic, partition }]),
  )
  await producer.joinTransaction([...partitions.values()])
  try {
    const locations = await producer.send(records)
    await producer.endTransaction('commit')
    return locations
  } catch (error) {
    if (!(error instanceof KafkaError) || error.rejectedRecords.length === 0) throw error
    await producer.endTransaction('abort')
    throw error
  }
}
