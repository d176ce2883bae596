import { KafkaError, type OutgoingRecord, partitionOfKey } from '@fairlead/kafka'
import type { ParkedEvent } from '../source/parked-events.ts'
import { findTopic } from './find-topic.ts'
import type { EventProducer } from './sink-clients.ts'
import { sinkFailure } from './sink-failure.ts'
import type { Topics } from './topics.ts'

const TEXT = new TextEncoder()
const NO_KEY = new Uint8Array()
/** Of headers and framing; what is left is for the value. */
const BESIDE_VALUE_BYTES = 16_384

/**
 * Copies of parked events in a topic, for people and their tools: with the headers that Kafka Connect
 * gives its dead letters. The table has them once and for good; the topic may have one twice, and one
 * that is too large comes without its value.
 *
 * @throws {SessionFailure} for trouble of the brokers.
 */
export async function sendDeadLetters(
  events: readonly ParkedEvent[],
  options: {
    readonly topicName: string
    readonly slotName: string
    readonly topics: Topics
    readonly producer: EventProducer
    readonly recordBytesMax: number
  },
): Promise<void> {
  const { topicName, topics, producer, recordBytesMax } = options
  const topic = await findTopic(topics, topicName)
  if (topic instanceof KafkaError) throw sinkFailure(topic)
  const valueBytesMax = Math.min(recordBytesMax, topic.messageBytesMax) - BESIDE_VALUE_BYTES
  try {
    await producer.send(
      events.map((event) => {
        const key = event.event.aggregateId === null ? null : TEXT.encode(event.event.aggregateId)
        const partition = partitionOfKey(key ?? NO_KEY, topic.partitionCount)
        return {
          ...letter(event, options.slotName, valueBytesMax),
          topic: topicName,
          partition,
          key,
        }
      }),
    )
  } catch (error) {
    // What even so is refused is in the table.
    if (error instanceof KafkaError && error.rejectedRecords.length > 0) return
    throw sinkFailure(error)
  }
}

/** KIP-298 names the headers. */
function letter(
  { event, payload, record, kind, reasonCode, reason }: ParkedEvent,
  slotName: string,
  valueBytesMax: number,
): Pick<OutgoingRecord, 'value' | 'headers' | 'timestampMs'> {
  const isKept = (payload?.length ?? 0) <= valueBytesMax
  const texts = {
    '__connect.errors.topic': record?.topic ?? '',
    '__connect.errors.connector.name': slotName,
    '__connect.errors.stage': record === null ? 'TRANSFORMATION' : 'KAFKA_PRODUCE',
    '__connect.errors.exception.class.name': reasonCode,
    '__connect.errors.exception.message': reason,
    'fairlead.dlq.kind': kind,
    'fairlead.dlq.value.omitted': String(!isKept),
    'fairlead.dlq.aggregatetype': event.aggregateType ?? '',
    id: event.eventId ?? '',
    eventType: event.type ?? '',
  }
  return {
    value: isKept ? payload : null,
    headers: Object.entries(texts).map(([name, text]) => [name, TEXT.encode(text)]),
    timestampMs: event.commitTimestampMs,
  }
}
