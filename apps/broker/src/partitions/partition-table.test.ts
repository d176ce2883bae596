import { BufferPool } from '@fairlead/base'
import {
  type LogConfig,
  FileBudget,
  IndexCache,
  StorageError,
  TailCache,
  findRecord,
} from '@fairlead/log'
import { crc32c } from '@fairlead/protocol'
import { systemClock, systemRandom } from '@fairlead/runtime'
import { afterEach, expect, test } from 'vitest'
import { DataDirectories } from '../storage/data-directories.ts'
import { breakableDisk } from '../testing/breakable-disk.test-fixture.ts'
import { measureVolume } from '../storage/directory-space.ts'
import { removeDirectory, temporaryDirectory } from '../testing/test-broker.ts'
import { METADATA_LOG_CONFIG } from './log-config.ts'
import { type OfflinePartition, PartitionTable } from './partition-table.ts'

const REQUEST = {
  topic: 'orders',
  topicId: 'b3JkZXJzAAAAAAAAAAAAAA',
  leaderEpoch: 0,
  config: METADATA_LOG_CONFIG,
  isNew: true,
}
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

async function tableWith(topic: string, partitionCount: number) {
  const paths = [temporaryDirectory(), temporaryDirectory()]
  const directories = new DataDirectories({
    paths,
    clusterId: undefined,
    nodeId: 1,
    random: systemRandom,
    reserveBytes: 0,
    measureVolume,
  })
  const disk = breakableDisk()
  const buffers = new BufferPool({ pooledBytesMin: 64, pooledBytesMax: 64, freeBytesMax: 64 })
  const offline: OfflinePartition[] = []
  const failures: Error[] = []
  const table = new PartitionTable({
    disk,
    directories,
    crc32c,
    tailCache: new TailCache({ budgetBytes: 1e6, buffers }),
    indexCache: new IndexCache({ budgetBytes: 1e6 }),
    fileBudget: new FileBudget({ filesMax: 1_000 }),
    buffers,
    findRecord: (query, done) => done(findRecord(query, undefined)),
    clock: systemClock,
    onOffline: (partition) => offline.push(partition),
    onCorruptRead: () => {},
    onDirectoryOffline: () => {},
    onFailure: (error) => failures.push(error),
  })
  cleanups.push(() => {
    directories.release()
    paths.forEach(removeDirectory)
  })
  for (let partition = 0; partition < partitionCount; partition += 1) {
    expect(await table.open({ ...REQUEST, topic, partition })).toBeUndefined()
  }
  return { table, disk, directories, offline, failures }
}

/** Three partitions, of which the second and the third found no file. */
async function tableShortOfFiles() {
  const it = await tableWith('orders', 1)
  const settled: number[] = []
  it.table.afterWait(({ partition }) => settled.push(partition))
  it.disk.breakWith = ({ kind }) => (kind === 'makeDirectory' ? 'EMFILE' : undefined)
  for (const partition of [1, 2]) {
    const error = await it.table.open({ ...REQUEST, partition })
    expect(error).toMatchObject({ code: 'EMFILE' })
  }
  return { ...it, settled }
}

test.for(['EIO', 'LOG_CORRUPT', 'EMFILE'])(
  'a log that fails with %s while its topic is deleted leaves no partition of that name',
  async (code) => {
    const { table, directories, offline } = await tableWith('orders', 2)
    const second = table.get('orders', 1)
    table.beforeRemoval(async ({ partition }) => {
      if (partition === 0) second?.log.fail(new StorageError('a write failed', { code }))
    })
    await table.remove('orders')
    expect(table.errorOfMissing('orders', 1)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect([table.count, table.offlineCount, offline]).toEqual([0, 0, []])
    // What failed is the disk, though, whatever was on it.
    expect(directories.online).toHaveLength(code === 'EIO' ? 1 : 2)
  },
)

test('a log that finds no file left in the middle of something is offline alone', async () => {
  const { table, directories, failures } = await tableWith('orders', 2)
  table.get('orders', 1)?.log.fail(new StorageError('no file left', { code: 'EMFILE' }))
  expect(table.errorOfMissing('orders', 1)).toBe('KAFKA_STORAGE_ERROR')
  expect([table.count, directories.online.length, failures]).toEqual([1, 2, []])
  await table.close()
})

test('partitions that found no file are opened once there are, with the configuration of then', async () => {
  const { table, disk, offline, settled } = await tableShortOfFiles()
  await table.openAwaited()
  expect([table.count, table.offlineCount, table.awaitedCount, settled]).toEqual([1, 2, 2, []])
  const config: LogConfig = { ...METADATA_LOG_CONFIG, segmentBytes: 4_321 }
  table.configure('orders', config)
  disk.breakWith = () => undefined
  await table.openAwaited()
  expect([table.count, table.offlineCount, table.awaitedCount]).toEqual([3, 0, 0])
  expect(settled).toEqual([2, 1])
  expect(table.get('orders', 2)?.config).toBe(config)
  expect(table.errorOfMissing('orders', 2)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  expect(offline).toHaveLength(2)
  await table.close()
})

test('one vain attempt ends a round, and the next round begins with another partition', async () => {
  const { table, disk } = await tableShortOfFiles()
  const tried: string[] = []
  disk.breakWith = ({ kind, path }) => {
    if (kind !== 'makeDirectory') return undefined
    tried.push(/orders-(?<partition>\d)/.exec(path)?.groups?.['partition'] ?? path)
    return 'EMFILE'
  }
  for (const _ of [1, 2, 3]) await table.openAwaited()
  expect(tried).toEqual(['1', '2', '1'])
})

test('a partition is not awaited any more when its disk fails, or its topic is deleted', async () => {
  const { table, disk, directories, offline, settled } = await tableShortOfFiles()
  disk.breakWith = ({ kind, path }) =>
    kind === 'makeDirectory' && path.includes('s-1') ? 'EIO' : 'EMFILE'
  await table.openAwaited()
  expect([table.offlineCount, table.awaitedCount, settled]).toEqual([2, 1, [1]])
  expect(table.offline('orders', 1)?.error).toMatchObject({ code: 'EIO' })
  expect(offline.map(({ partition }) => partition)).toEqual([1, 2, 1])
  expect(directories.online).toHaveLength(1)
  disk.breakWith = () => undefined
  await table.remove('orders')
  expect([table.offlineCount, table.awaitedCount]).toEqual([0, 0])
  await table.openAwaited()
  expect(table.count).toBe(0)
})
