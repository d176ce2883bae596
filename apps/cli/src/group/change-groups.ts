import type { ClusterAdmin, CommittedOffset, TopicPartition } from '@fairlead/kafka'
import {
  type Command,
  EXIT,
  type Invocation,
  UsageError,
  isSet,
  listOption,
  parseInteger,
} from '../command/command.ts'
import { reportItems, succeeded } from '../command/outcomes.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { type ResetTarget, RESET_OPTIONS, parseResetTarget, resolveTarget } from './reset-target.ts'

const PARTITIONS_MAX = 1_000_000

type Move = JsonObject & {
  readonly topic: string
  readonly partition: number
  readonly committedOffset: number | null
  readonly newOffset: number
}

const MOVE_COLUMNS: readonly Column<Move>[] = [
  { title: 'topic', value: ({ topic }) => topic },
  { title: 'partition', value: ({ partition }) => partition, align: 'right' },
  { title: 'committed', value: ({ committedOffset }) => committedOffset ?? '', align: 'right' },
  { title: 'new', value: ({ newOffset }) => newOffset, align: 'right' },
  {
    title: 'delta',
    value: ({ committedOffset, newOffset }) =>
      committedOffset === null ? '' : newOffset - committedOffset,
    align: 'right',
  },
]

const TOPIC_OPTION = {
  topic: {
    short: 't',
    value: 'topic[:p,...]',
    isRepeatable: true,
    doc: 'a topic, or some partitions of it (default: all that the group has committed)',
  },
} as const

export const RESET_OFFSETS: Command = {
  name: 'group reset',
  summary: 'Shows where a group would go, and with --execute puts it there.',
  positionals: '<group>',
  positionalCount: { min: 1, max: 1 },
  options: {
    ...TOPIC_OPTION,
    ...RESET_OPTIONS,
    execute: { doc: 'commit the new offsets; without it nothing is changed' },
  },
  notes:
    'The group must have no members: they would go on where they are, and commit over the reset.\n' +
    'Offsets outside of what a partition holds are moved to the nearest one inside.',
  async run({ admin, positionals: [groupId = ''], options, output }) {
    const target = parseResetTarget(options, Date.now())
    const committed = await admin.committedOffsets(groupId)
    const partitions = await partitionsToMove(admin, listOption(options, 'topic'), committed)
    const moves = await Promise.all(
      partitions.map((partition) => moveOf(admin, partition, target, committed)),
    )
    const mayExecute = isSet(options, 'execute')
    if (mayExecute) {
      await admin.commitOffsets(
        groupId,
        moves.map(({ topic, partition, newOffset }) => ({ topic, partition, offset: newOffset })),
      )
    }
    output.list(moves, MOVE_COLUMNS)
    output.note(mayExecute ? 'The offsets are committed.' : 'Nothing is changed: add --execute.')
    return EXIT.ok
  },
}

export const DELETE_GROUPS: Command = {
  name: 'group delete',
  summary: 'Deletes groups without members, with their offsets.',
  positionals: '<group>...',
  positionalCount: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {},
  async run({ admin, positionals, output, confirm }) {
    const question = `Delete ${positionals.join(', ')} with all committed offsets?`
    if (!(await confirm(question))) return EXIT.failed
    for (const groupId of positionals) await admin.deleteGroup(groupId)
    return reportDone(output, positionals, 'deleted')
  },
}

export const DELETE_OFFSETS: Command = {
  name: 'group offset-delete',
  summary: 'Deletes committed offsets of a group.',
  positionals: '<group>',
  positionalCount: { min: 1, max: 1 },
  options: TOPIC_OPTION,
  async run({ admin, positionals: [groupId = ''], options, output, confirm }) {
    const topics = listOption(options, 'topic')
    if (topics.length === 0) throw new UsageError('--topic says which offsets')
    const committed = await admin.committedOffsets(groupId)
    const partitions = await partitionsToMove(admin, topics, committed)
    const names = partitions.map(({ topic, partition }) => `${topic}-${partition}`)
    const question = `Delete the offsets of ${groupId} in ${names.join(', ')}?`
    if (!(await confirm(question))) return EXIT.failed
    await admin.deleteOffsets(groupId, partitions)
    return reportDone(output, names, 'deleted')
  },
}

async function moveOf(
  admin: ClusterAdmin,
  { topic, partition }: TopicPartition,
  target: ResetTarget,
  committed: readonly CommittedOffset[],
): Promise<Move> {
  const current = committed.find((at) => at.topic === topic && at.partition === partition)
  const newOffset = await resolveTarget(admin, { topic, partition }, target, current)
  return { topic, partition, committedOffset: current?.offset ?? null, newOffset }
}

/** `orders`, or `orders:0,2`; without any, the partitions that have an offset. */
async function partitionsToMove(
  admin: ClusterAdmin,
  texts: readonly string[],
  committed: readonly CommittedOffset[],
): Promise<readonly TopicPartition[]> {
  if (texts.length === 0 && committed.length === 0) {
    throw new UsageError('the group has committed nothing: --topic says which partitions')
  }
  if (texts.length === 0) return committed
  const lists = await Promise.all(texts.map((text) => partitionsNamed(admin, text)))
  return lists.flat()
}

async function partitionsNamed(
  admin: ClusterAdmin,
  text: string,
): Promise<readonly TopicPartition[]> {
  const [topic = '', list] = text.split(':')
  if (list !== undefined) {
    return list.split(',').map((number) => {
      const range = { min: 0, max: PARTITIONS_MAX }
      return { topic, partition: parseInteger(number, `the partition in "${text}"`, range) }
    })
  }
  const outcomes = await admin.describeTopics([topic])
  const failed = outcomes.find((outcome) => !outcome.ok)
  if (failed?.ok === false) throw failed.error
  return succeeded(outcomes).flatMap(({ partitions }) =>
    partitions.map(({ partition }) => ({ topic, partition })),
  )
}

function reportDone(output: Invocation['output'], names: readonly string[], result: string) {
  return reportItems(
    output,
    names.map((name) => ({ ok: true as const, name, value: undefined })),
    () => result,
  )
}
