import { expect, test } from 'vitest'
import { openFileProblem } from './open-file-limit.ts'

test('a limit that is too low is named, with what to do', () => {
  const problem = openFileProblem({ connectionsMax: 2_147_483_647, partitionCount: 7 })
  expect(problem).toMatch(/may open \d+ files.* 7 partitions: raise the limit \(ulimit -n\)/)
})

test('a limit that suffices is no problem', () => {
  expect(openFileProblem({ connectionsMax: 1, partitionCount: 1 })).toBeUndefined()
})
