import type { TopicPartition } from './records.ts'

export type AssignorName = 'range' | 'roundrobin'

export type SubscribedMember = {
  readonly memberId: string
  readonly instanceId: string | null
  readonly topics: readonly string[]
}

export type Assignment = ReadonlyMap<string, readonly TopicPartition[]>

/**
 * Partitions per member id, as Kafka's assignor of that name gives them. Every partition of a
 * subscribed topic goes to exactly one member that subscribes to it; no member is absent.
 */
export function assignPartitions(
  assignor: AssignorName,
  members: readonly SubscribedMember[],
  partitionCountOf: (topic: string) => number,
): Assignment {
  const sorted = [...members].sort(compareMembers)
  const topics = [...new Set(sorted.flatMap((member) => member.topics))].sort(compareText)
  const assigned = new Map<string, TopicPartition[]>()
  for (const { memberId } of sorted) assigned.set(memberId, [])
  switch (assignor) {
    case 'range':
      for (const topic of topics) assignRange(topic, partitionCountOf(topic), sorted, assigned)
      break
    case 'roundrobin':
      assignRoundRobin(topics, partitionCountOf, sorted, assigned)
      break
  }
  return assigned
}

/** Consecutive partitions of each topic; the first members get one more when it does not divide. */
function assignRange(
  topic: string,
  partitionCount: number,
  members: readonly SubscribedMember[],
  assigned: ReadonlyMap<string, TopicPartition[]>,
): void {
  const consumers = members.filter(({ topics }) => topics.includes(topic))
  const share = Math.floor(partitionCount / consumers.length)
  const remainder = partitionCount % consumers.length
  let next = 0
  for (const [index, { memberId }] of consumers.entries()) {
    const end = next + share + (index < remainder ? 1 : 0)
    for (; next < end; next += 1) assigned.get(memberId)?.push({ topic, partition: next })
  }
}

/** All partitions of all topics in turn, past members that do not subscribe. */
function assignRoundRobin(
  topics: readonly string[],
  partitionCountOf: (topic: string) => number,
  members: readonly SubscribedMember[],
  assigned: ReadonlyMap<string, TopicPartition[]>,
): void {
  let turn = 0
  for (const topic of topics) {
    const partitionCount = partitionCountOf(topic)
    for (let partition = 0; partition < partitionCount; partition += 1) {
      // Ends: some member subscribes to the topic, else it would not be in the list.
      while (members[turn % members.length]?.topics.includes(topic) !== true) turn += 1
      assigned.get(members[turn % members.length]?.memberId ?? '')?.push({ topic, partition })
      turn += 1
    }
  }
}

/** Static members first, by instance id, so that a restart under a new member id moves nothing. */
function compareMembers(left: SubscribedMember, right: SubscribedMember): number {
  if (left.instanceId !== null && right.instanceId !== null) {
    return compareText(left.instanceId, right.instanceId)
  }
  if (left.instanceId !== null) return -1
  if (right.instanceId !== null) return 1
  return compareText(left.memberId, right.memberId)
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
