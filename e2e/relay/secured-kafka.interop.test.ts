import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APACHE_KAFKA_VERSION, apacheKafkaAbsence } from '../support/apache-kafka.ts'
import { RelayStack } from '../support/relay-stack.ts'
import { MECHANISMS, SecuredKafka, USER } from '../support/secured-kafka.ts'
import { waitFor } from '../support/wait-for.ts'

const TOPIC = 'outbox.event.order'

let kafka: SecuredKafka

describe.skipIf(apacheKafkaAbsence())(`Apache Kafka ${APACHE_KAFKA_VERSION}, with SASL_SSL`, () => {
  beforeAll(async () => {
    kafka = await SecuredKafka.start()
  })
  afterAll(() => kafka?.stop())

  test.for(MECHANISMS)('a relay proves who it is with %s', async (mechanism) => {
    await using stack = await RelayStack.start()
    const secured = {
      'bootstrap.servers': kafka.saslAddress,
      'security.protocol': 'SASL_SSL',
      'ssl.truststore.location': kafka.authority.file,
      'sasl.mechanism': mechanism,
      'sasl.username': USER.name,
    }
    const refused = stack.relay({ ...secured, 'sasl.password': 'of nobody' })
    await stack.insertKeys(mechanism)
    // The relay tells it for as long as it tries again, and its probe of the brokers every second.
    await waitFor('the reason', 60_000, async () => {
      const status = await stack.statusOf(refused)
      if (status === undefined) return false
      const readiness = await (await fetch(`${refused.url}/readyz`)).text()
      return `${status.reason} ${readiness}`.includes('authentication failed')
    })
    await refused.stop()
    const relay = stack.relay({ ...secured, 'sasl.password': USER.password })
    await relay.ready()
    await stack.confirmed()
    const records = await stack.records(TOPIC, { address: kafka.address })
    const keys = records.map(({ key }) => Buffer.from(key ?? []).toString())
    expect(keys.filter((key) => key === mechanism)).toEqual([mechanism])
  })
})
