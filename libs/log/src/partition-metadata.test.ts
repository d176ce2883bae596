import { KEEP_UNSYNCED, LOSE_UNSYNCED, SimulatedDisk } from '@fairlead/simulation'
import { expect, test } from 'vitest'
import { PARTITION_METADATA_FILE, decodePartitionMetadata } from './partition-metadata.ts'
import { DIRECTORY, open, tryOpen } from './testing/log-fixture.ts'

const PATH = `${DIRECTORY}/${PARTITION_METADATA_FILE}`
const TOPIC_ID = 'b3JkZXJzAAAAAAAAAAAAAA'

const textOn = (disk: SimulatedDisk) =>
  disk.paths().includes(PATH) ? new TextDecoder().decode(disk.contentOf(PATH)) : undefined

test('a log says of which topic it is, in the format of Kafka, once it is open', () => {
  const disk = new SimulatedDisk()
  open(disk, { topicId: TOPIC_ID })
  const text = textOn(disk.survivor(LOSE_UNSYNCED))
  expect(text).toBe(`version: 0\ntopic_id: ${TOPIC_ID}\n`)
  expect(decodePartitionMetadata(text ?? '')).toBe(TOPIC_ID)
})

test('a log from before says it from the next start on, and says what it said first', () => {
  const disk = new SimulatedDisk()
  open(disk).close(() => {})
  expect(textOn(disk)).toBeUndefined()
  open(disk, { topicId: TOPIC_ID }).close(() => {})
  open(disk, { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' })
  expect(decodePartitionMetadata(textOn(disk) ?? '')).toBe(TOPIC_ID)
})

test('a crash at any step of the creation leaves a log that says it after the next start', () => {
  let total = 0
  const counted = new SimulatedDisk()
  counted.hook = () => {
    total += 1
    return { kind: 'proceed' }
  }
  open(counted, { topicId: TOPIC_ID })
  for (let crashAt = 0; crashAt < total; crashAt += 1) {
    const disk = new SimulatedDisk()
    let left = crashAt
    disk.hook = () => {
      left -= 1
      return left < 0 ? { kind: 'crash', keptBytes: 7 } : { kind: 'proceed' }
    }
    tryOpen(disk, { topicId: TOPIC_ID })
    for (const choices of [LOSE_UNSYNCED, KEEP_UNSYNCED]) {
      const survivor = disk.survivor(choices)
      open(survivor, { topicId: TOPIC_ID })
      expect(decodePartitionMetadata(textOn(survivor) ?? '')).toBe(TOPIC_ID)
    }
  }
})

test('a disk that has no room for it serves the log all the same', () => {
  const disk = new SimulatedDisk()
  disk.hook = ({ kind, path }) =>
    kind === 'write' && path.includes(PARTITION_METADATA_FILE)
      ? { kind: 'fail', code: 'ENOSPC' }
      : { kind: 'proceed' }
  expect(open(disk, { topicId: TOPIC_ID }).logEndOffset).toBe(0)
  expect(textOn(disk)).toBeUndefined()
})

test.for(['', 'version: 0\ntopic_id: ', 'version: 0\ntopic_id: short\n', 'version: 1\n'])(
  'a torn or foreign text says nothing: %j',
  (text) => expect(decodePartitionMetadata(text)).toBeUndefined(),
)
