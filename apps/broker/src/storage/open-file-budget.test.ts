import { expect, test } from 'vitest'
import { openFileBudget, openFileProblem } from './open-file-budget.ts'

test('connections, and the files of segments, never pass the limit together', () => {
  for (const limit of [256, 1_024, 20_000, 1_048_576]) {
    for (const connectionsMax of [1, 500, 10_000, 2_147_483_647]) {
      const budget = openFileBudget({ connectionsMax }, limit)
      expect(budget.connectionsMax + budget.segmentFilesMax).toBeLessThan(limit)
      expect(budget.connectionsMax).toBeLessThanOrEqual(connectionsMax)
      expect(budget.partitionsMax * 2).toBeLessThanOrEqual(budget.segmentFilesMax)
      expect(budget.partitionsMax).toBeGreaterThan(0)
    }
  }
})

test('what a low limit takes away is said, with what to do', () => {
  const wanted = { connectionsMax: 10_000, partitionCount: 7 }
  const problem = openFileProblem(openFileBudget(wanted, 1_024), wanted)
  expect(problem).toMatch(/max\.connections is lowered from 10000 to 618; at most \d+ partitions/)
  expect(problem).toMatch(/there are 7\. Raise the limit \(ulimit -n\)/)
})

test('a limit that suffices, or none, takes nothing away', () => {
  const wanted = { connectionsMax: 10_000, partitionCount: 7 }
  for (const limit of [1_048_576, Number.POSITIVE_INFINITY]) {
    expect(openFileProblem(openFileBudget(wanted, limit), wanted)).toBeUndefined()
  }
})
