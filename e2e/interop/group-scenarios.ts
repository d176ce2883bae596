import { expect } from 'vitest'
import type { BrokerProcess } from '../support/broker-process.ts'
import { waitFor } from '../support/wait-for.ts'

const WAIT_MS = 60_000

/** A member of a group, of whichever client. */
export type ScenarioMember = {
  readonly values: readonly string[]
  readonly partitions: readonly number[]
  leave(): Promise<void>
}

/** Two members share the four partitions of a topic; the first has all of them once the second leaves. */
export async function sharePartitions(steps: {
  readonly join: () => Promise<ScenarioMember>
  readonly whileShared: () => Promise<void>
}): Promise<void> {
  const first = await steps.join()
  await waitFor('four partitions', WAIT_MS, () => first.partitions.length === 4)
  const second = await steps.join()
  await waitFor('two partitions each', WAIT_MS, () => {
    const assigned = new Set([...first.partitions, ...second.partitions])
    return assigned.size === 4 && first.partitions.length === 2 && second.partitions.length === 2
  })
  await steps.whileShared()
  await second.leave()
  await waitFor('four partitions again', WAIT_MS, () => first.partitions.length === 4)
  await first.leave()
}

/** How a broker may end between two members of a group. */
export const BROKER_ENDS = [
  { what: 'a restart', end: (broker: BrokerProcess) => broker.terminate() },
  { what: 'kill -9', end: (broker: BrokerProcess) => broker.kill() },
] as const

/** A group of a topic with one partition, which is there, resumes exactly where it committed. */
export async function resumeWhereCommitted(
  broker: BrokerProcess,
  steps: {
    readonly end: (broker: BrokerProcess) => Promise<unknown>
    readonly produce: (values: readonly string[]) => Promise<void>
    /** Resolves once the member, which reads from the beginning, has committed the offset 3. */
    readonly joinAndCommitThree: () => Promise<ScenarioMember>
    readonly join: () => Promise<ScenarioMember>
  },
): Promise<void> {
  await steps.produce(['0', '1', '2', '3', '4'])
  const first = await steps.joinAndCommitThree()
  await first.leave()
  await steps.end(broker)
  broker.restart()
  await broker.ready()

  const second = await steps.join()
  await waitFor('the rest', WAIT_MS, () => second.values.length === 2)
  await steps.produce(['5'])
  await waitFor('the new record', WAIT_MS, () => second.values.length === 3)
  expect(second.values).toEqual(['3', '4', '5'])
  await second.leave()
}
