import { expect, test } from 'vitest'
import { Harness } from './testing/harness.ts'

/** One way into each state, with two members (`a` leads) where the state has any. */
const INTO = {
  Dead: (): Situation => ({ harness: new Harness(), a: 'nobody', b: 'nobody', generationId: 0 }),
  Empty: (): Situation => {
    const { harness, a, b } = INTO.Stable()
    harness.leave([{ memberId: a }, { memberId: b }])
    return { harness, a, b, generationId: 2 }
  },
  PreparingRebalance: (): Situation => {
    const { harness, a, b } = INTO.Stable()
    harness.joinFully()
    return { harness, a, b, generationId: 1 }
  },
  CompletingRebalance: (): Situation => {
    const harness = new Harness()
    const [a, b] = [harness.joinFully().memberId, harness.joinFully().memberId]
    harness.advance(6_000)
    return { harness, a, b, generationId: 1 }
  },
  Stable: (): Situation => {
    const { harness, a, b, generationId } = INTO.CompletingRebalance()
    harness.sync({ memberId: b, generationId })
    harness.sync({ memberId: a, generationId })
    return { harness, a, b, generationId }
  },
}

type Situation = {
  readonly harness: Harness
  readonly a: string
  readonly b: string
  readonly generationId: number
}

/** What each event does, as `answer → state`; an answer of '' waits. */
const EVENTS = {
  'a new member joins': ({ harness }) => harness.joined(harness.join({ apiVersion: 3 }).token),
  'b rejoins': ({ harness, b }) => harness.joined(harness.join({ memberId: b }).token),
  'a rejoins': ({ harness, a }) => harness.joined(harness.join({ memberId: a }).token),
  'b syncs': ({ harness, b, generationId }) =>
    harness.synced(harness.sync({ memberId: b, generationId }).token),
  'a syncs': ({ harness, a, generationId }) =>
    harness.synced(harness.sync({ memberId: a, generationId }).token),
  'b beats': ({ harness, b, generationId }) => ({ errorCode: harness.heartbeat(b, generationId) }),
  'b leaves': ({ harness, b }) => ({ errorCode: harness.leave([{ memberId: b }])[1] }),
  'b commits': ({ harness, b, generationId }) => ({
    errorCode: harness.commit({ offset: 1, memberId: b, generationId }),
  }),
  'an administrator commits': ({ harness }) => ({ errorCode: harness.commit({ offset: 1 }) }),
  'everybody is silent': ({ harness }) => {
    harness.advance(400_000)
    return { errorCode: '-' }
  },
} as const satisfies Record<
  string,
  (situation: Situation) => { readonly errorCode: string | undefined } | undefined
>

const UNKNOWN = 'UNKNOWN_MEMBER_ID'
const REBALANCING = 'REBALANCE_IN_PROGRESS'

test.for([
  ['Dead', 'a new member joins', '', 'PreparingRebalance'],
  ['Dead', 'b rejoins', UNKNOWN, 'Dead'],
  ['Dead', 'a rejoins', UNKNOWN, 'Dead'],
  ['Dead', 'b syncs', UNKNOWN, 'Dead'],
  ['Dead', 'a syncs', UNKNOWN, 'Dead'],
  ['Dead', 'b beats', UNKNOWN, 'Dead'],
  ['Dead', 'b leaves', UNKNOWN, 'Dead'],
  ['Dead', 'b commits', 'ILLEGAL_GENERATION', 'Dead'],
  ['Dead', 'an administrator commits', 'NONE', 'Empty'],
  ['Dead', 'everybody is silent', '-', 'Dead'],

  ['Empty', 'a new member joins', '', 'PreparingRebalance'],
  ['Empty', 'b rejoins', UNKNOWN, 'Empty'],
  ['Empty', 'a rejoins', UNKNOWN, 'Empty'],
  ['Empty', 'b syncs', UNKNOWN, 'Empty'],
  ['Empty', 'a syncs', UNKNOWN, 'Empty'],
  ['Empty', 'b beats', UNKNOWN, 'Empty'],
  ['Empty', 'b leaves', UNKNOWN, 'Empty'],
  ['Empty', 'b commits', UNKNOWN, 'Empty'],
  ['Empty', 'an administrator commits', 'NONE', 'Empty'],
  ['Empty', 'everybody is silent', '-', 'Empty'],

  ['PreparingRebalance', 'a new member joins', '', 'PreparingRebalance'],
  ['PreparingRebalance', 'b rejoins', '', 'PreparingRebalance'],
  ['PreparingRebalance', 'a rejoins', '', 'PreparingRebalance'],
  ['PreparingRebalance', 'b syncs', REBALANCING, 'PreparingRebalance'],
  ['PreparingRebalance', 'a syncs', REBALANCING, 'PreparingRebalance'],
  ['PreparingRebalance', 'b beats', REBALANCING, 'PreparingRebalance'],
  ['PreparingRebalance', 'b leaves', 'NONE', 'PreparingRebalance'],
  ['PreparingRebalance', 'b commits', 'NONE', 'PreparingRebalance'],
  ['PreparingRebalance', 'an administrator commits', UNKNOWN, 'PreparingRebalance'],
  ['PreparingRebalance', 'everybody is silent', '-', 'Empty'],

  ['CompletingRebalance', 'a new member joins', '', 'PreparingRebalance'],
  ['CompletingRebalance', 'b rejoins', 'NONE', 'CompletingRebalance'],
  ['CompletingRebalance', 'a rejoins', 'NONE', 'CompletingRebalance'],
  ['CompletingRebalance', 'b syncs', '', 'CompletingRebalance'],
  ['CompletingRebalance', 'a syncs', 'NONE', 'Stable'],
  ['CompletingRebalance', 'b beats', 'NONE', 'CompletingRebalance'],
  ['CompletingRebalance', 'b leaves', 'NONE', 'PreparingRebalance'],
  ['CompletingRebalance', 'b commits', REBALANCING, 'CompletingRebalance'],
  ['CompletingRebalance', 'an administrator commits', UNKNOWN, 'CompletingRebalance'],
  ['CompletingRebalance', 'everybody is silent', '-', 'Empty'],

  ['Stable', 'a new member joins', '', 'PreparingRebalance'],
  ['Stable', 'b rejoins', 'NONE', 'Stable'],
  ['Stable', 'a rejoins', '', 'PreparingRebalance'],
  ['Stable', 'b syncs', 'NONE', 'Stable'],
  ['Stable', 'a syncs', 'NONE', 'Stable'],
  ['Stable', 'b beats', 'NONE', 'Stable'],
  ['Stable', 'b leaves', 'NONE', 'PreparingRebalance'],
  ['Stable', 'b commits', 'NONE', 'Stable'],
  ['Stable', 'an administrator commits', UNKNOWN, 'Stable'],
  ['Stable', 'everybody is silent', '-', 'Empty'],
] as const)('%s: %s → %s, %s', ([from, event, answer, to]) => {
  const situation = INTO[from]()
  expect(situation.harness.describe().state).toBe(from)
  expect(EVENTS[event](situation)?.errorCode ?? '').toBe(answer)
  expect(situation.harness.describe().state).toBe(to)
})
