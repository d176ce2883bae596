import { KafkaError } from '@fairlead/kafka'
import { sinkFailure } from './sink-failure.ts'
import type { Topic, Topics } from './topics.ts'

/** Kafka refuses the name of a topic for good; everything else about a topic may pass. */
const TOPIC_REFUSALS = new Set(['INVALID_TOPIC_EXCEPTION', 'POLICY_VIOLATION'])

/**
 * The topic; the error when no such topic can be.
 *
 * @throws {SessionFailure} for every other trouble.
 */
export async function findTopic(topics: Topics, name: string): Promise<Topic | KafkaError> {
  const known = topics.known(name)
  if (known !== undefined) return known
  try {
    return await topics.open(name)
  } catch (error) {
    if (error instanceof KafkaError && TOPIC_REFUSALS.has(error.code)) return error
    throw sinkFailure(error)
  }
}
