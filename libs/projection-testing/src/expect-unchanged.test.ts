import type { AnyEvent, Row } from '@fairlead/projection'
import { expect, test } from 'vitest'
import { codeHash, expectUnchanged } from './expect-unchanged.ts'
import { orderSummary, revenue, sales } from './orders.test-fixture.ts'

const changed = {
  ...orderSummary,
  on: { ...orderSummary.on, OrderPaid: (row: Row, { at }: AnyEvent) => ({ ...row, at }) },
}

test.for([orderSummary, sales, revenue])('$name is what it was recorded as', (projection) => {
  expectUnchanged(projection, codeHash(projection))
  expect(codeHash(projection)).toMatch(/^1:[0-9a-f]{16}$/)
})

test('code that has changed is told with the version to give, and both records', () => {
  const recorded = codeHash(orderSummary)
  const next = codeHash({ ...changed, version: 2 })
  expect(() => expectUnchanged(changed, recorded)).toThrow(
    `the code of order_summary has changed, and its version has not: a projector that has version 1 refuses to start. Give it version 2, and put '${next}'. If no projector has run version 1 yet, put '${codeHash(changed)}'`,
  )
  expectUnchanged({ ...changed, version: 2 }, next)
})

test('another version is to be recorded', () => {
  const second = { ...changed, version: 2 }
  expect(() => expectUnchanged(second, codeHash(orderSummary))).toThrow(
    `order_summary has version 2 now: put '${codeHash(second)}'`,
  )
})

test.for(['', 'a3', '1:'])('with %j recorded, it tells what to record', (recorded) => {
  expect(() => expectUnchanged(orderSummary, recorded)).toThrow(
    `nothing is recorded of order_summary yet: put '${codeHash(orderSummary)}'`,
  )
})
