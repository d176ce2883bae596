import {
  DISK_CONTRACT,
  type DiskFile,
  type DiskResult,
  type DiskTask,
  perform,
  readFile,
  replaceFile,
  runTask,
  writeNewFile,
} from '@fairlead/log'
import { expect, test } from 'vitest'
import { SeededRandom } from '../seeded-random.ts'
import { KEEP_UNSYNCED, LOSE_UNSYNCED, randomCrash } from './crash-choices.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const ONE_BYTE = new Uint8Array([1])
const TWO_BYTES = new Uint8Array([2, 2])

test.for(DISK_CONTRACT)('$fact', ({ check }) => {
  const disk = diskWithDirectory()
  expect(run(check(disk, '/d'))).toEqual({ ok: true, value: undefined })
})

test('a crash loses a file whose directory was not synced, and bytes that were not', () => {
  const disk = diskWithDirectory()
  run(writeNewFile(disk, '/d/a', ONE_BYTE))
  expect(disk.survivor(LOSE_UNSYNCED).paths()).toEqual(['/d'])
  expect(disk.survivor(KEEP_UNSYNCED).paths()).toEqual(['/d', '/d/a'])
})

test('a crash may take a new directory until its parent is synced, whatever was synced in it', () => {
  const choices = { ...KEEP_UNSYNCED, losesUnsyncedDirectories: true }
  const disk = diskWithDirectory()
  disk.makeDirectory('/d/a', () => {})
  run(replaceFile(disk, '/d/a', 'b', ONE_BYTE))
  disk.rename('/d/a', '/d/c', () => {})
  expect(disk.survivor(LOSE_UNSYNCED).paths()).toEqual(['/d', '/d/a', '/d/a/b'])
  expect(disk.survivor(choices).paths()).toEqual(['/d'])
  disk.syncDirectory('/d', () => {})
  expect(disk.survivor(choices).paths()).toEqual(['/d', '/d/c', '/d/c/b'])
})

test('a crash may tear a write at any byte', () => {
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', ONE_BYTE))
  writeUnsynced(disk, 1, TWO_BYTES)
  const torn = disk.survivor({ ...LOSE_UNSYNCED, tornBytes: () => 1 })
  expect(run(readFile(torn, '/d/a'))).toEqual({ ok: true, value: new Uint8Array([1, 2]) })
})

test('a replaced file is the old one or the new one after a crash at any operation', () => {
  const operationCount = countOperations()
  for (let crashAt = 0; crashAt < operationCount; crashAt += 1) {
    for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
      const disk = diskWithDirectory()
      run(replaceFile(disk, '/d', 'a', ONE_BYTE))
      let count = 0
      disk.hook = () => {
        count += 1
        return count > crashAt ? { kind: 'crash', keptBytes: 1 } : { kind: 'proceed' }
      }
      runTask(replaceFile(disk, '/d', 'a', TWO_BYTES), () => {})
      const found = run(readFile(disk.survivor(choices), '/d/a'))
      expect([ONE_BYTE, TWO_BYTES]).toContainEqual(found.ok && found.value)
    }
  }
})

test('a crash may keep any sectors of a write and lose others', () => {
  const bytes = new Uint8Array(2000).fill(7)
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', new Uint8Array(100)))
  writeUnsynced(disk, 100, bytes)
  let sector = 0
  const choices = { ...LOSE_UNSYNCED, keepsSector: () => (sector += 1) % 2 === 0 }
  const survived = run(readFile(disk.survivor(choices), '/d/a'))
  // Sectors end at 512, 1024, 1536 and 2048: the second and the fourth are kept.
  const expected = new Uint8Array(2048).fill(7, 512, 1024).fill(7, 1536)
  expect(survived).toEqual({ ok: true, value: expected })
})

test('what a failed sync should have covered is never durable, whatever is synced later', () => {
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', ONE_BYTE))
  disk.hook = ({ kind }) =>
    kind === 'datasync' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
  expect(writeSynced(disk, 1, TWO_BYTES)).toMatchObject({ ok: false, error: { code: 'EIO' } })
  disk.hook = () => ({ kind: 'proceed' })
  expect(writeSynced(disk, 3, ONE_BYTE)).toMatchObject({ ok: true })
  expect(run(readFile(disk, '/d/a'))).toMatchObject({ value: new Uint8Array([1, 2, 2, 1]) })
  const survivor = disk.survivor(KEEP_UNSYNCED)
  expect(run(readFile(survivor, '/d/a'))).toMatchObject({ value: new Uint8Array([1, 0, 0, 1]) })
})

test('syncs that overlap cover what was written before each, in any order of completion', () => {
  const disk = new SimulatedDisk({ completion: 'queued' })
  let file: DiskFile | undefined
  disk.makeDirectory('/d', () => {})
  disk.open('/d/a', 'create', (opened) => {
    if (opened.ok) file = opened.value
  })
  disk.syncDirectory('/d', () => {})
  disk.drain()
  file?.write(0, [ONE_BYTE], () => {})
  disk.drain()
  file?.datasync(() => {})
  file?.write(1, [TWO_BYTES], () => {})
  disk.complete(1)
  file?.datasync(() => {})
  disk.complete(1)
  disk.complete(0)
  const survivor = disk.survivor(LOSE_UNSYNCED, 'immediate')
  expect(run(readFile(survivor, '/d/a'))).toMatchObject({ value: new Uint8Array([1, 2, 2]) })
})

test('a full disk takes what fits and fails with ENOSPC, and has room again after a removal', () => {
  const disk = diskWithDirectory()
  run(writeNewFile(disk, '/d/a', TWO_BYTES))
  disk.capacityBytes = 3
  const failed = run(writeNewFile(disk, '/d/b', TWO_BYTES))
  expect(failed).toMatchObject({ ok: false, error: { code: 'ENOSPC' } })
  expect(disk.usedBytes).toBe(3)
  disk.removeFile('/d/a', () => {})
  expect(run(writeNewFile(disk, '/d/b', TWO_BYTES))).toMatchObject({ ok: true })
  expect(disk.usedBytes).toBe(2)
})

test('a write that fails may have been done in part', () => {
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', ONE_BYTE))
  disk.hook = ({ kind }) =>
    kind === 'write' ? { kind: 'fail', code: 'EIO', keptBytes: 1 } : { kind: 'proceed' }
  expect(writeSynced(disk, 1, TWO_BYTES)).toMatchObject({ ok: false })
  disk.hook = () => ({ kind: 'proceed' })
  expect(run(readFile(disk, '/d/a'))).toMatchObject({ value: new Uint8Array([1, 2]) })
})

test('a kill keeps the page cache, also what a failed sync has lost for the next power loss', () => {
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', ONE_BYTE))
  disk.hook = ({ kind }) =>
    kind === 'datasync' ? { kind: 'fail', code: 'EIO' } : { kind: 'proceed' }
  writeSynced(disk, 1, TWO_BYTES)
  const next = disk.afterKill()
  expect(disk.hasCrashed).toBe(true)
  expect(run(readFile(next, '/d/a'))).toMatchObject({ value: new Uint8Array([1, 2, 2]) })
  expect(writeSynced(next, 0, ONE_BYTE)).toMatchObject({ ok: true })
  const survivor = next.survivor(KEEP_UNSYNCED)
  expect(run(readFile(survivor, '/d/a'))).toMatchObject({ value: ONE_BYTE })
})

test('a sync that lies is answered and covers nothing', () => {
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', ONE_BYTE))
  disk.hook = ({ kind }) => ({ kind: kind === 'datasync' ? 'lie' : 'proceed' })
  expect(writeSynced(disk, 1, TWO_BYTES)).toMatchObject({ ok: true })
  expect(run(readFile(disk.survivor(LOSE_UNSYNCED), '/d/a'))).toMatchObject({ value: ONE_BYTE })
})

test('random crashes keep what was synced, and reach every kind of loss', () => {
  const random = new SeededRandom(1)
  const found = new Set<string>()
  for (let round = 0; round < 200; round += 1) {
    const disk = diskWithDirectory()
    run(replaceFile(disk, '/d', 'a', ONE_BYTE))
    writeUnsynced(disk, 1, TWO_BYTES)
    const survived = run(readFile(disk.survivor(randomCrash(random)), '/d/a'))
    found.add(survived.ok ? survived.value.join() : survived.error.code)
  }
  expect([...found].sort()).toEqual(['1', '1,2', '1,2,2'])
})

function writeUnsynced(disk: SimulatedDisk, position: number, bytes: Uint8Array): void {
  run(
    (function* () {
      const file = yield* perform<DiskFile>((done) => disk.open('/d/a', 'existing', done))
      yield* perform<void>((done) => file.write(position, [bytes], done))
    })(),
  )
}

function writeSynced(disk: SimulatedDisk, position: number, bytes: Uint8Array): DiskResult<void> {
  return run(
    (function* () {
      const file = yield* perform<DiskFile>((done) => disk.open('/d/a', 'existing', done))
      yield* perform<void>((done) => file.write(position, [bytes], done))
      yield* perform<void>((done) => file.datasync(done))
    })(),
  )
}

function countOperations(): number {
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', ONE_BYTE))
  let count = 0
  disk.hook = () => {
    count += 1
    return { kind: 'proceed' }
  }
  run(replaceFile(disk, '/d', 'a', TWO_BYTES))
  return count
}

function diskWithDirectory(): SimulatedDisk {
  const disk = new SimulatedDisk()
  run(
    (function* () {
      yield* perform<void>((done) => disk.makeDirectory('/d', done))
      yield* perform<void>((done) => disk.syncDirectory('', done))
    })(),
  )
  return disk
}

function run<Value>(task: DiskTask<Value>): DiskResult<Value> {
  let found: DiskResult<Value> | undefined
  runTask(task, (result) => {
    found = result
  })
  if (found === undefined) throw new Error('the task has not ended')
  return found
}
