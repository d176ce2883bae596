import { expect, test } from 'vitest'
import { TrafficPlan, type TrafficStep } from './traffic-plan.ts'

const stepsOf = (orderCount: number): TrafficStep[] => {
  const plan = new TrafficPlan()
  const steps: TrafficStep[] = []
  for (let number = 1; number <= orderCount; number += 1) {
    steps.push(plan.nextOrder())
    const followUp = plan.nextFollowUp()
    if (followUp !== undefined) steps.push(followUp)
    plan.orderPlaced(`order-${number}`)
  }
  return steps
}

const isPoison = (step: TrafficStep): boolean => 'quantity' in step && step.quantity < 0

test('exactly every 1,000th event is poison', () => {
  const poison = stepsOf(5_000)
    .map((step, index) => (isPoison(step) ? index + 1 : 0))
    .filter((position) => position > 0)
  expect(poison).toEqual([1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000])
})

test('about every second order gets a later event, and no order gets two', () => {
  const followed = stepsOf(1_000).flatMap((step) => ('orderId' in step ? [step.orderId] : []))
  expect(followed.length).toBeGreaterThan(450)
  expect(new Set(followed).size).toBe(followed.length)
})
