import { MetadataImage, PARTITIONS_MAX } from '@fairlead/metadata'
import { crc32c } from '@fairlead/protocol'
import { loadConfig } from '@fairlead/service'
import { expect, test } from 'vitest'
import { BROKER_CONFIG_ALL } from '../config.ts'
import { Controller } from './controller.ts'

const TOPIC_ID = 'b3JkZXJzAAAAAAAAAAAAAA'

/** A controller with room for so many partitions, of which some are there, on a log that takes all. */
function setUp(options: { readonly partitionsMax: number; readonly partitionCount: number }) {
  const image = new MetadataImage({ clusterId: 'test-cluster-AAAAAAAAA' })
  image.replay({ kind: 'TopicRecord', name: 'orders', topicId: TOPIC_ID })
  for (let partitionId = 0; partitionId < options.partitionCount; partitionId += 1) {
    const replicas = { replicas: [1], isr: [1], leader: 1, leaderEpoch: 0, partitionEpoch: 0 }
    image.replay({ kind: 'PartitionRecord', topicId: TOPIC_ID, partitionId, ...replicas })
  }
  const { config } = loadConfig(BROKER_CONFIG_ALL, {
    envPrefix: 'KAFKA_',
    argv: ['--log.dirs=/nowhere'],
    env: {},
  })
  const log = {
    append: (_records: unknown, _context: unknown, done: (result: unknown) => void) =>
      done({ ok: true }),
  }
  const partitions = {
    clear: async () => undefined,
    open: async () => undefined,
    configure: () => {},
  }
  const controller = new Controller({
    config,
    settings: [],
    image,
    log,
    partitions,
    partitionsMax: options.partitionsMax,
    crc32c,
    clock: { nowMs: () => 0, wallNowMs: () => 0 },
    random: { int: () => 0, bytes: (length: number) => new Uint8Array(length).fill(7) },
    onBrokerConfigs: () => {},
    mayHaveOffsetsOf: async () => false,
    onTopicsDeleted: async () => {},
  } as never)
  return { controller, image }
}

test('groups get their topic also where there are files for few partitions', async () => {
  const { controller, image } = setUp({ partitionsMax: 10, partitionCount: 10 })
  await controller.createConsumerOffsets()
  expect(image.topic('__consumer_offsets')?.partitions).toHaveLength(50)
  await controller.createConsumerOffsets()
  expect(image.partitionCount).toBe(60)
})

test('says why groups cannot get their topic', async () => {
  const partitionCount = PARTITIONS_MAX - 49
  const { controller } = setUp({ partitionsMax: PARTITIONS_MAX, partitionCount })
  const created = controller.createConsumerOffsets()
  await expect(created).rejects.toMatchObject({
    code: 'KAFKA_STORAGE_ERROR',
    message: `The broker holds at most ${PARTITIONS_MAX} partitions.`,
  })
})
