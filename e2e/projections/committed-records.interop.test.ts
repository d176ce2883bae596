import { type PlacedRecord, createTransactionalProducer } from '@fairlead/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { APACHE_KAFKA_VERSION, ApacheKafka, apacheKafkaAbsence } from '../support/apache-kafka.ts'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { readAccounts } from './account-oracle.ts'
import { AccountEvents } from './accounts.ts'
import { hasState, release, rowsOf, startStack } from './rebuild-stack.ts'

let kafka: ApacheKafka

type Producer = ReturnType<typeof createTransactionalProducer>

/** Deposits to one account, in partition 0. */
async function placed(
  stack: ProjectionStack,
  amounts: readonly number[],
): Promise<readonly PlacedRecord[]> {
  const events = amounts.map((amount) => AccountEvents.Deposited({ accountId: 'a', amount }))
  return (await stack.encode(...events)).map(({ key, value, headers }) => ({
    topic: stack.topic,
    partition: 0,
    key: key ?? null,
    value: value ?? null,
    headers: headers ?? [],
  }))
}

async function commit(
  stack: ProjectionStack,
  producer: Producer,
  ...amounts: readonly number[]
): Promise<void> {
  await producer.commit(await placed(stack, amounts))
}

/** The last of the records is larger than the topic takes: those before it are in the log, and void. */
async function abort(
  stack: ProjectionStack,
  producer: Producer,
  ...amounts: readonly number[]
): Promise<void> {
  const tooLarge = { key: null, value: Buffer.alloc(10_000), headers: [] }
  const records = [
    ...(await placed(stack, amounts)),
    { topic: stack.topic, partition: 1, ...tooLarge },
  ]
  await expect(producer.commit(records)).rejects.toMatchObject({
    rejectedRecords: [{ recordIndex: amounts.length }],
  })
}

describe.skipIf(apacheKafkaAbsence())(`on Apache Kafka ${APACHE_KAFKA_VERSION}`, () => {
  beforeAll(async () => {
    // Less than what a projector of these tests asks for.
    kafka = await ApacheKafka.start({ 'group.min.session.timeout.ms': 1_000 })
  })
  afterAll(() => kafka?.stop())

  test('what a producer aborted is never applied, and offsets pass the ends of transactions', async () => {
    await using stack = await startStack({
      bootstrapServers: kafka.address,
      partitions: 2,
      topicConfigs: { 'max.message.bytes': '5000' },
    })
    const client = { bootstrapServers: [kafka.address], clientId: 'e2e' }
    const producer = createTransactionalProducer({ ...client, transactionalId: 'accounts' })
    await producer.begin()
    release(stack, 'accounts:1')
    await commit(stack, producer, 1, 2)
    await abort(stack, producer, 1_000)
    await commit(stack, producer, 4)
    await abort(stack, producer, 2_000)
    // The last thing in the log is the end of a transaction that was aborted.
    await stack.caughtUp('accounts')
    expect(await readAccounts(stack)).toMatchObject([{ id: 'a', events: 3, balance: 7 }])

    release(stack, 'accounts:1,accounts:2')
    await hasState(stack, 2, ['ready'])
    expect(await rowsOf(stack, 2)).toMatchObject([{ id: 'a', events: 3, balance: 7 }])
    await commit(stack, producer, 8)
    await producer.close()
    await stack.caughtUp('accounts')
    expect(await readAccounts(stack)).toMatchObject([{ id: 'a', events: 4, balance: 15 }])
  })
})
