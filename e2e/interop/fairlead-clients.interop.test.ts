import { describe } from 'vitest'
import { ApacheKafka, apacheKafkaAbsence } from '../support/apache-kafka.ts'
import { testFairleadClients } from './fairlead-clients.ts'

describe.skipIf(apacheKafkaAbsence())('the clients of our services, on Apache Kafka', () => {
  testFairleadClients(() => ApacheKafka.start())
})
