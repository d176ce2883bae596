import type { Topic } from '@fairlead/metadata'
import { expect, test } from 'vitest'
import { restartSafety } from './safe-to-restart.ts'

function topic(replicas: readonly number[], isr: readonly number[]): Topic {
  const partition = { partition: 0, replicas, isr, leader: 1, leaderEpoch: 0 }
  return { name: 'orders', topicId: '', partitions: [partition], configs: new Map() }
}

test.for([
  { replicas: [1, 2, 3], isr: [1, 2, 3], min: 2, isSafe: true, unavailable: 0 },
  { replicas: [1, 2, 3], isr: [1, 2], min: 2, isSafe: false, unavailable: 0 },
  { replicas: [1, 2, 3], isr: [2, 3], min: 2, isSafe: true, unavailable: 0 },
  { replicas: [2, 3], isr: [2], min: 2, isSafe: true, unavailable: 0 },
  // No moment is better than another for these.
  { replicas: [1], isr: [1], min: 1, isSafe: true, unavailable: 1 },
  { replicas: [1, 2], isr: [1, 2], min: 2, isSafe: true, unavailable: 1 },
])(
  'broker 1 of replicas $replicas with isr $isr and min $min: $isSafe',
  ({ replicas, isr, min, isSafe, unavailable }) => {
    const safety = restartSafety(1, [topic(replicas, isr)], () => min)
    expect(safety.isSafe).toBe(isSafe)
    expect(safety.unavailableMeanwhile).toBe(unavailable)
    expect(safety.reasons.length > 0).toBe(!isSafe)
  },
)
