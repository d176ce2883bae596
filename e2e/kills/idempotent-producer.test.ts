import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { createAdmin, createReader } from '@fairlead/kafka'
import { describe, expect, test } from 'vitest'
import { BrokerProcess } from '../support/broker-process.ts'
import { isInstalled } from '../support/command.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { waitFor } from '../support/wait-for.ts'
import { IdempotentProducer } from './idempotent-producer.ts'

/** `KILLS=1000 npm run test:e2e -- e2e/kills` is the long run. */
const KILLS = Number(process.env['KILLS'] ?? 12)
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
const PARTITIONS = 3
const TOPIC = 'killed'
const PROGRESS_TIMEOUT_MS = 180_000
const ACKS_BEFORE_KILL_MAX = 300
/** One kill in so many hits a broker that is still starting. */
const KILLS_PER_EARLY_KILL = 8
const EARLY_KILL_DELAY_MAX_MS = 700
const MINUTES_MAX = 120
const canBuild = isInstalled('gcc') && existsSync('/usr/include/librdkafka/rdkafka.h')

describe.runIf(canBuild)("librdkafka's idempotent producer", () => {
  test(
    `has every record once and in order after kill -9 × ${KILLS} (CHAOS_SEED=${SEED})`,
    async () => {
      const broker = await BrokerProcess.start()
      try {
        await killAndCompare(broker)
      } finally {
        await broker.stop()
      }
    },
    MINUTES_MAX * 60_000,
  )
})

async function killAndCompare(broker: BrokerProcess): Promise<void> {
  const options = { bootstrapServers: [broker.address], clientId: 'kills' }
  const admin = createAdmin(options)
  await admin.ensureTopic({ topic: TOPIC, partitions: PARTITIONS })
  await admin.close()
  const target = { address: broker.address, topic: TOPIC, partitions: PARTITIONS }
  const producers = [
    await IdempotentProducer.start({ ...target, name: 'a' }),
    await IdempotentProducer.start({ ...target, name: 'b' }),
  ]
  await killUnderLoad(broker, producers)
  await Promise.all(producers.map((producer) => producer.stop()))
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const numbers = await storedNumbers(broker.address, partition)
    for (const { name, totals } of producers) {
      expect(totals[partition]).toBeGreaterThan(0)
      expectCounted(numbers.get(name) ?? [], totals[partition] ?? 0)
    }
  }
}

async function killUnderLoad(
  broker: BrokerProcess,
  producers: readonly IdempotentProducer[],
): Promise<void> {
  const random = seededRandom(SEED)
  const acked = () => {
    for (const producer of producers) producer.check()
    return producers.reduce((sum, producer) => sum + producer.acked, 0)
  }
  for (let kill = 1; kill <= KILLS; kill += 1) {
    if (random.int(KILLS_PER_EARLY_KILL) === 0) {
      await delay(random.int(EARLY_KILL_DELAY_MAX_MS))
    } else {
      const enough = acked() + 1 + random.int(ACKS_BEFORE_KILL_MAX)
      await waitFor(`acks before kill ${kill}`, PROGRESS_TIMEOUT_MS, () => acked() >= enough)
      await delay(random.int(20))
    }
    await broker.kill()
    broker.restart()
  }
}

/** The numbers of each producer in a partition, in the order of the log. */
async function storedNumbers(address: string, partition: number): Promise<Map<string, number[]>> {
  const options = { bootstrapServers: [address], clientId: 'kills' }
  const admin = createAdmin(options)
  const reader = createReader(options)
  const endOffset = await admin.listOffsets({ topic: TOPIC, partition, timestamp: 'latest' })
  const numbers = new Map<string, number[]>()
  for (let fromOffset = 0; fromOffset < endOffset; ) {
    const request = { topic: TOPIC, partition, fromOffset, maxWaitMs: 1_000, maxBytes: 4_000_000 }
    const { records, nextOffset } = await reader.fetch(request)
    for (const { key, value } of records) {
      const name = Buffer.from(key ?? []).toString()
      const known = numbers.get(name) ?? []
      known.push(Number.parseInt(Buffer.from(value ?? []).toString(), 10))
      numbers.set(name, known)
    }
    fromOffset = nextOffset
  }
  await Promise.all([admin.close(), reader.close()])
  return numbers
}

/** 0, 1, 2 … and nothing else: none is lost, none is there twice, all are in order. */
function expectCounted(numbers: readonly number[], total: number): void {
  const firstWrong = numbers.findIndex((number, index) => number !== index)
  expect(firstWrong, `number ${numbers[firstWrong]} at place ${firstWrong}`).toBe(-1)
  expect(numbers).toHaveLength(total)
}
