import { expect, test } from 'vitest'
import { nearestName } from './index.ts'

const KEYS = ['log.dirs', 'log.retention.ms', 'num.partitions', 'slot.name']

test.for([
  ['log.dir', 'log.dirs'],
  ['num.partition', 'num.partitions'],
  ['LOG.RETENTION.MS', 'log.retention.ms'],
  ['slotname', 'slot.name'],
])('"%s" suggests "%s"', ([name, expected]) => {
  expect(nearestName(name ?? '', KEYS)).toBe(expected)
})

test('a name that resembles nothing gets no suggestion', () => {
  expect(nearestName('zzzzzzzz', KEYS)).toBeUndefined()
})
