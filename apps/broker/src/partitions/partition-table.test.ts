import { BufferPool } from '@fairlead/base'
import { FileBudget, IndexCache, StorageError, TailCache, findRecord } from '@fairlead/log'
import { crc32c } from '@fairlead/protocol'
import { nodeDisk, systemClock, systemRandom } from '@fairlead/runtime'
import { afterEach, expect, test } from 'vitest'
import { DataDirectories } from '../storage/data-directories.ts'
import { measureVolume } from '../storage/directory-space.ts'
import { removeDirectory, temporaryDirectory } from '../testing/test-broker.ts'
import { METADATA_LOG_CONFIG } from './log-config.ts'
import { type OfflinePartition, PartitionTable } from './partition-table.ts'

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
  const buffers = new BufferPool({ pooledBytesMin: 64, pooledBytesMax: 64, freeBytesMax: 64 })
  const offline: OfflinePartition[] = []
  const failures: Error[] = []
  const table = new PartitionTable({
    disk: nodeDisk(),
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
    const request = { topic, partition, leaderEpoch: 0, config: METADATA_LOG_CONFIG, isNew: true }
    expect(await table.open(request)).toBeUndefined()
  }
  return { table, directories, offline, failures }
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
