import { createTransactionalProducer, partitionOfKey } from '@fairlead/kafka'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CLIENTS } from '../interop/clients/all-clients.ts'
import { Driver } from '../interop/clients/driver.ts'
import type { Compression, WireRecord } from '../interop/clients/operations.ts'
import { pythonAbsence } from '../interop/clients/python-environment.ts'
import { APACHE_KAFKA_VERSION, ApacheKafka, apacheKafkaAbsence } from '../support/apache-kafka.ts'
import type { ProjectionStack } from '../support/projection-stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { type AccountRow, readAccounts } from './account-oracle.ts'
import { AccountEvents, nextTrail } from './accounts.ts'
import { cli, hasState, oracleRows, release, rowsOf, startStack } from './rebuild-stack.ts'

const CLIENT = 'confluent-kafka 2.16.1'
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const satisfies Compression[]
const ACCOUNTS = 50
const DEPOSITS = 400
const PARTITIONS = 4
const PARTITIONS_LATER = 6

type Deposit = { readonly accountId: string; readonly amount: number }

let kafka: ApacheKafka
let driver: Driver

/** Events of a producer of another language, and what was made of them, in the order of their keys. */
class Producer {
  readonly #stack: ProjectionStack
  readonly #committed: Deposit[] = []
  #count = 0
  partitionCount: number

  constructor(stack: ProjectionStack, partitionCount: number) {
    this.#stack = stack
    this.partitionCount = partitionCount
  }

  async produce(compression: Compression): Promise<void> {
    const deposits = this.#deposits()
    for (const [partition, records] of await this.#byPartition(deposits)) {
      const { topic } = this.#stack
      await driver.ask('produce', { topic, partition, compression, idempotent: true, records })
    }
    this.#committed.push(...deposits)
  }

  /** A transaction for each partition. */
  async transact({ commit }: { readonly commit: boolean }): Promise<void> {
    const transactionalId = 'of the test'
    const deposits = this.#deposits()
    await hasCoordinator(transactionalId)
    for (const [partition, records] of await this.#byPartition(deposits)) {
      const { topic } = this.#stack
      await driver.ask('transact', { topic, partition, transactionalId, commit, records })
    }
    if (commit) this.#committed.push(...deposits)
  }

  /** One event after the other, in no time at all. */
  fold(): readonly AccountRow[] {
    const rows = new Map<string, AccountRow>()
    for (const { accountId: id, amount } of this.#committed) {
      const { events, balance, trail } = rows.get(id) ?? { events: 0, balance: 0, trail: 0n }
      const row = { events: events + 1, balance: balance + amount, trail: nextTrail(trail, amount) }
      rows.set(id, { id, ...row })
    }
    return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  #deposits(): readonly Deposit[] {
    return Array.from({ length: DEPOSITS }, () => {
      this.#count += 1
      return { accountId: `account-${this.#count % ACCOUNTS}`, amount: 1 + (this.#count % 997) }
    })
  }

  async #byPartition(deposits: readonly Deposit[]): Promise<ReadonlyMap<number, WireRecord[]>> {
    const events = deposits.map((deposit) => AccountEvents.Deposited(deposit))
    const partitions = new Map<number, WireRecord[]>()
    for (const { key, value, headers = [] } of await this.#stack.encode(...events)) {
      const bytes = Buffer.from(key ?? [])
      const partition = partitionOfKey(bytes, this.partitionCount)
      const own = headers.map(([name, text]) => [name, base64(text)] as const)
      const record = {
        key: base64(bytes),
        value: base64(value),
        headers: [['of nothing', null] as const, ...own, ['of nothing', null] as const],
      }
      partitions.set(partition, [...(partitions.get(partition) ?? []), record])
    }
    return partitions
  }
}

async function startDriver(): Promise<Driver> {
  const client = CLIENTS.find(({ name, version }) => `${name} ${version}` === CLIENT)
  if (client === undefined) throw new Error(`there is no ${CLIENT}`)
  return Driver.start(await client.prepare(), kafka.address)
}

/** A broker that has just started is longer about it than some clients wait. */
async function hasCoordinator(transactionalId: string): Promise<void> {
  const client = { bootstrapServers: [kafka.address], clientId: 'e2e' }
  const producer = createTransactionalProducer({ ...client, transactionalId })
  await producer.begin()
  await producer.close()
}

function base64(bytes: Uint8Array | string | null | undefined): string | null {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString('base64')
}

describe.skipIf(apacheKafkaAbsence() ?? pythonAbsence())(
  `${CLIENT} and Apache Kafka ${APACHE_KAFKA_VERSION}`,
  () => {
    beforeEach(async () => {
      // Less than what a projector of these tests asks for; the cleaner waits for no one.
      const config = { 'group.min.session.timeout.ms': 1_000, 'log.cleaner.backoff.ms': 200 }
      kafka = await ApacheKafka.start(config)
      driver = await startDriver()
    })
    afterEach(async () => {
      await driver?.[Symbol.asyncDispose]()
      await kafka?.stop()
    })

    test('rows are those of one thread, of every compression and of transactions, while projectors, the broker and Postgres are killed and the topic grows', async () => {
      await using stack = await startStack({
        bootstrapServers: kafka.address,
        partitions: PARTITIONS,
      })
      const producer = new Producer(stack, PARTITIONS)
      const launch = (name: string, versions = 'accounts:1') =>
        release(stack, versions, { 'group.instance.id': name })
      let killed = launch('a')
      launch('b')
      await producer.produce('none')
      await stack.caughtUp('accounts')

      const kills = [
        () => killed.stop('SIGKILL'),
        () => kafka.kill(),
        // The server is started again by itself.
        async () => void process.kill(stack.postgres.pid ?? 0, 'SIGKILL'),
        () => killed.stop('SIGKILL'),
      ]
      for (const [index, kill] of kills.entries()) {
        const writing = producer.produce(COMPRESSIONS[index] ?? 'none')
        await kill()
        if (kafka.isRunning) killed = killed.isRunning ? killed : launch('a')
        else kafka.restart()
        await writing
        await producer.transact({ commit: index % 2 === 0 })
        await producer.transact({ commit: index % 2 === 1 })
      }
      await stack.caughtUp('accounts')
      // Where they differ already, the producer or the broker has lost something.
      expect(await oracleRows(stack)).toEqual(producer.fold())
      expect(await readAccounts(stack)).toEqual(producer.fold())

      await driver.ask('createPartitions', { topic: stack.topic, total: PARTITIONS_LATER })
      producer.partitionCount = PARTITIONS_LATER
      // Producers that were there before learn of the new partitions minutes later.
      await driver[Symbol.asyncDispose]()
      driver = await startDriver()
      for (const compression of COMPRESSIONS) await producer.produce(compression)
      await producer.transact({ commit: false })
      await stack.caughtUp('accounts')
      expect(await readAccounts(stack)).toEqual(producer.fold())

      const both = launch('c', 'accounts:1,accounts:2')
      await hasState(stack, 2, ['ready'])
      await producer.produce('lz4')
      await stack.caughtUp('accounts', { version: 2 })
      expect(await rowsOf(stack, 2)).toEqual(producer.fold())
      expect(await cli(both, 'promote', 'accounts', '--version', '2')).toMatchObject({
        exitCode: 0,
      })
      await producer.transact({ commit: true })
      await stack.caughtUp('accounts', { version: 2 })
      expect(await readAccounts(stack)).toEqual(producer.fold())
    }, 1_200_000)

    test('a rebuild has the rows of what a compacted log has kept, of events that the broker has timed', async () => {
      await using stack = await startStack({
        bootstrapServers: kafka.address,
        partitions: 2,
        topicConfigs: {
          'message.timestamp.type': 'LogAppendTime',
          'segment.ms': '100',
          'min.cleanable.dirty.ratio': '0.01',
        },
      })
      const producer = new Producer(stack, 2)
      release(stack, 'accounts:1')
      await producer.produce('zstd')
      await producer.transact({ commit: true })
      await producer.transact({ commit: false })
      await producer.produce('snappy')
      await stack.caughtUp('accounts')
      expect(await readAccounts(stack)).toEqual(producer.fold())

      await stack.configureTopic({ 'cleanup.policy': 'compact' })
      await waitFor('the log to be compacted', 240_000, async () => {
        const [first] = await stack.records().catch(() => [])
        return (first?.offset ?? 0) > 0
      })
      // What is kept is not to change between the rebuild and the fold that it is compared with.
      await stack.configureTopic({ 'cleanup.policy': 'delete' })
      release(stack, 'accounts:1,accounts:2')
      await hasState(stack, 2, ['ready'])
      const kept = await oracleRows(stack)
      expect(await rowsOf(stack, 2)).toEqual(kept)
      expect(kept).toHaveLength(ACCOUNTS)
      expect(kept).not.toEqual(producer.fold())
    }, 1_200_000)
  },
)
