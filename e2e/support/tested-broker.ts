import { ApacheKafka } from './apache-kafka.ts'
import { BrokerProcess } from './broker-process.ts'

/** What is the same of our broker and of Apache Kafka to a test that starts and kills one. */
export type TestedBroker = Pick<
  BrokerProcess & ApacheKafka,
  'address' | 'port' | 'pid' | 'logDirectory' | 'ready' | 'kill' | 'restart' | 'stop'
>

/** For what the two differ in on purpose. */
export const isApacheKafkaTested: boolean = process.env['TEST_BROKER'] === 'apache'

/** Ours, or Apache Kafka where TEST_BROKER=apache asks for it, which needs Java. */
export function startTestedBroker(
  config: Readonly<Record<string, string | number>> = {},
): Promise<TestedBroker> {
  return isApacheKafkaTested ? ApacheKafka.start(config) : BrokerProcess.start(config)
}
