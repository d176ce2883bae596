import { expect, test } from 'vitest'
import { LeaderEpochs } from './leader-epochs.ts'

const EPOCHS = new LeaderEpochs([
  { epoch: 2, startOffset: 10 },
  { epoch: 5, startOffset: 20 },
])

test.for([
  ['the newest ends where the log does', 5, { leaderEpoch: 5, endOffset: 33 }],
  ['an older one ends where the next begins', 2, { leaderEpoch: 2, endOffset: 20 }],
  ['one that wrote nothing ends with the one before', 3, { leaderEpoch: 2, endOffset: 20 }],
  ['one before all that is left ends where that begins', 1, { leaderEpoch: 1, endOffset: 10 }],
  ['one that is yet to come has no end', 6, undefined],
  ['none has no end', -1, undefined],
] as const)('%s', ([, epoch, end]) => {
  expect(EPOCHS.endOf(epoch, 33)).toEqual(end)
})

test('a log without epochs knows no end', () => {
  expect(new LeaderEpochs().endOf(0, 0)).toBeUndefined()
})
