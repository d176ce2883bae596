import { ApacheKafka } from './apache-kafka.ts'
import { BrokerProcess } from './broker-process.ts'

/** What is the same of our broker and of Apache Kafka to a test that starts and kills one. */
export type TestedBroker = Pick<
  BrokerProcess & ApacheKafka,
  'address' | 'port' | 'pid' | 'logDirectory' | 'ready' | 'kill' | 'restart' | 'stop'
>

/** Ours, or Apache Kafka where TEST_BROKER=apache asks for it, which needs Java. */
export function startTestedBroker(
  config: Readonly<Record<string, string | number>> = {},
): Promise<TestedBroker> {
  return process.env['TEST_BROKER'] === 'apache'
    ? ApacheKafka.start(config)
    : BrokerProcess.start(config)
}
