import { expect, test } from 'vitest'
import { LimitedLog } from './limited-log.ts'

test('a flood is cut after some lines, and its size is told in the next window', () => {
  let nowMs = 0
  const lines: object[] = []
  const log = new LimitedLog({
    clock: { nowMs: () => nowMs, wallNowMs: () => 0 },
    linesMax: 2,
    windowMs: 1_000,
    write: (fields) => lines.push(fields),
  })
  for (let line = 0; line < 10; line += 1) log.write({ line }, 'failed')
  nowMs = 1_000
  log.write({ line: 10 }, 'failed')
  expect(lines).toEqual([{ line: 0 }, { line: 1 }, { suppressedLines: 8 }, { line: 10 }])
})
