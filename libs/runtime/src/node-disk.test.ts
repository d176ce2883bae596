import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DISK_CONTRACT, type Disk, type DiskTask, runTask } from '@fairlead/log'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blockingDisk, nodeDisk } from './index.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-disk-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

const DISKS: readonly { name: string; disk: () => Disk }[] = [
  { name: 'small reads and writes on the event loop', disk: () => nodeDisk() },
  { name: 'all reads in the pool', disk: () => nodeDisk({ synchronousReadBytesMax: 0 }) },
  { name: 'all writes in the pool', disk: () => nodeDisk({ synchronousWriteBytesMax: 0 }) },
  { name: 'a thread of its own', disk: () => blockingDisk() },
  { name: 'all writes on the event loop', disk: () => nodeDisk({ synchronousWriteBytesMax: 1e9 }) },
]

describe.for(DISKS)('$name', ({ disk }) => {
  test.for(DISK_CONTRACT)('$fact', async ({ check }) => {
    await completed(check(disk(), directory))
  })
})

test('syncs beyond the limit wait, and all of them complete', async () => {
  const disk = nodeDisk({ syncsMax: 1 })
  const syncs = Array.from(
    { length: 5 },
    () => new Promise<boolean>((resolve) => disk.syncDirectory(directory, ({ ok }) => resolve(ok))),
  )
  expect(await Promise.all(syncs)).toEqual([true, true, true, true, true])
})

function completed(task: DiskTask<void>): Promise<void> {
  return new Promise((resolve, reject) =>
    runTask(task, (result) => (result.ok ? resolve() : reject(result.error))),
  )
}
