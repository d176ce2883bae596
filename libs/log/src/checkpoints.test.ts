import { crc32c } from '@fairlead/protocol'
import { SimulatedDisk } from '@fairlead/simulation'
import { expect, test } from 'vitest'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoints.ts'
import { runTask } from './disk-task.ts'
import { settled } from './testing/log-fixture.ts'

const ROWS = [
  [5, 9_007_199_254_740_991],
  [0, 12],
]
/** Version, CRC32C of the rest, then the rows: what logs on disks have. */
const GOLDEN = '0\n4f1ad318\n5 9007199254740991\n0 12\n'

function written(): SimulatedDisk {
  const disk = new SimulatedDisk()
  settled<void>((done) => disk.makeDirectory('/logs', done))
  const target = { disk, directory: '/logs', name: 'a-checkpoint' }
  settled<void>((done) => runTask(writeCheckpoint(target, ROWS, crc32c), done))
  return disk
}

function readBack(disk: SimulatedDisk): Checkpoint | undefined {
  const read = readCheckpoint(disk, '/logs/a-checkpoint', crc32c)
  const result = settled<Checkpoint>((done) => runTask(read, done))
  return result?.ok === true ? result.value : undefined
}

test('a checkpoint is written in the bytes that it has always had, and read from them', () => {
  const disk = written()
  expect(new TextDecoder().decode(disk.contentOf('/logs/a-checkpoint'))).toBe(GOLDEN)
  expect(readBack(disk)).toEqual(ROWS)
})

test('another version, another row and another checksum are damaged', () => {
  for (const position of [0, 2, GOLDEN.length - 2]) {
    const disk = written()
    const bytes = disk.contentOf('/logs/a-checkpoint')
    bytes[position] = (bytes[position] ?? 0) ^ 1
    expect(readBack(disk), String(position)).toBe('damaged')
  }
})
