import { type GroupDescription, type GroupListing, KafkaError } from '@fairlead/kafka'
import { type Command, EXIT, integerOption } from '../command/command.ts'
import type { Column, JsonObject, Output, Section } from '../output/output.ts'
import { LAG_COLUMNS, type PartitionLag, lagOf, totalLag } from './lag.ts'

type Listing = JsonObject & GroupListing

const LIST_COLUMNS: readonly Column<Listing>[] = [
  { title: 'group', value: ({ groupId }) => groupId },
  { title: 'state', value: ({ state }) => state },
  { title: 'protocol', value: ({ protocolType }) => protocolType },
]

/** What Kafka calls a group that does not exist. */
const DEAD = 'Dead'

export const LIST_GROUPS: Command = {
  name: 'group list',
  summary: 'Lists the consumer groups of all brokers.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: {},
  async run({ admin, output }) {
    const groups = await admin.listGroups()
    output.list(
      groups.map((group) => ({ ...group })),
      LIST_COLUMNS,
    )
    return EXIT.ok
  },
}

export const DESCRIBE_GROUP: Command = {
  name: 'group describe',
  summary: 'Shows the state, the members and the lag of a group.',
  positionals: '<group>',
  positionalCount: { min: 1, max: 1 },
  options: {},
  async run({ admin, positionals: [groupId = ''], output }) {
    const [group, committed] = await Promise.all([
      admin.describeGroup(groupId),
      admin.committedOffsets(groupId),
    ])
    if (group.state === DEAD && committed.length === 0) throw groupNotFound(groupId)
    const partitions = await lagOf(admin, committed, ownersOf(group))
    output.object(
      { ...groupObject(group), lag: totalLag(partitions), partitions },
      describeSections(output, group, partitions),
    )
    return EXIT.ok
  },
}

export const GROUP_LAG: Command = {
  name: 'group lag',
  summary: 'Shows how far groups are behind, partition by partition.',
  positionals: '[group...]',
  positionalCount: { min: 0, max: Number.POSITIVE_INFINITY },
  options: {
    'fail-above': { value: 'records', doc: 'exit with 10 when a group has more lag in all' },
  },
  async run({ admin, positionals, options, output }) {
    const max = Number.MAX_SAFE_INTEGER
    const limit = integerOption(options, 'fail-above', { min: 0, max })
    const groupIds =
      positionals.length > 0
        ? positionals
        : (await admin.listGroups()).map(({ groupId }) => groupId)
    const groups = await Promise.all(
      groupIds.map(async (groupId) => {
        const committed = await admin.committedOffsets(groupId)
        if (committed.length === 0 && positionals.length > 0) {
          const { state } = await admin.describeGroup(groupId)
          if (state === DEAD) throw groupNotFound(groupId)
        }
        return { groupId, partitions: await lagOf(admin, committed) }
      }),
    )
    const rows = groups.flatMap(({ groupId, partitions }) =>
      partitions.map((partition) => ({ groupId, ...partition })),
    )
    const groupColumn = { title: 'group', value: (row: { groupId: string }) => row.groupId }
    // Members are not asked for here.
    output.list(rows, [groupColumn, ...LAG_COLUMNS.slice(0, -2)])
    const isBehind = groups.some(({ partitions }) => totalLag(partitions) > (limit ?? max))
    return isBehind ? EXIT.unhealthy : EXIT.ok
  },
}

function ownersOf({ members }: GroupDescription) {
  return (topic: string, partition: number) =>
    members.find(({ assignment }) =>
      assignment.some((owned) => owned.topic === topic && owned.partition === partition),
    )
}

function groupObject(group: GroupDescription): JsonObject {
  return {
    ...group,
    members: group.members.map((member) => ({
      ...member,
      assignment: member.assignment.map((owned) => ({ ...owned })),
    })),
  }
}

function describeSections(
  output: Output,
  group: GroupDescription,
  partitions: readonly PartitionLag[],
): readonly Section[] {
  const assignor = group.assignor === '' ? '' : `  assignor ${group.assignor}`
  const head =
    `Group ${group.groupId}  state ${group.state}  coordinator ${group.coordinator}${assignor}` +
    `  members ${group.members.length}  lag ${totalLag(partitions)}\n`
  const members = output.tableText(group.members, [
    { title: 'member', value: ({ memberId }) => memberId },
    { title: 'instance', value: ({ groupInstanceId }) => groupInstanceId ?? '' },
    { title: 'client', value: ({ clientId }) => clientId },
    { title: 'host', value: ({ clientHost }) => clientHost },
    { title: 'partitions', value: ({ assignment }) => assignment.length, align: 'right' },
  ])
  return [
    { title: '', text: head },
    ...(group.members.length === 0 ? [] : [{ title: '', text: members }]),
    { title: '', text: output.tableText(partitions, LAG_COLUMNS) },
  ]
}

function groupNotFound(groupId: string): KafkaError {
  return new KafkaError(`there is no group ${groupId}`, {
    code: 'GROUP_ID_NOT_FOUND',
    retryable: false,
  })
}
