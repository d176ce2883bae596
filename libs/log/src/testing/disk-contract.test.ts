import { expect, test } from 'vitest'
import { type DiskResult, type DiskTask, runTask } from '../index.ts'
import { DISK_CONTRACT } from './disk-contract.ts'
import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from './simulated-disk.ts'
import { perform, readFile, replaceFile, writeNewFile } from '../disk-task.ts'
import type { DiskFile } from '../disk.ts'

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

test('a crash may tear a write at any byte', () => {
  const disk = diskWithDirectory()
  run(replaceFile(disk, '/d', 'a', ONE_BYTE))
  run(
    (function* () {
      const file = yield* perform<DiskFile>((done) => disk.open('/d/a', 'existing', done))
      yield* perform<void>((done) => file.write(1, [TWO_BYTES], done))
    })(),
  )
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
