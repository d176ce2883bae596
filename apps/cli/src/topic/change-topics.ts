import {
  type Command,
  EXIT,
  UsageError,
  integerOption,
  isSet,
  listOption,
  parseAssignments,
  parseInteger,
} from '../command/command.ts'
import { reportItems } from '../command/outcomes.ts'

const PARTITIONS_MAX = 1_000_000
const REPLICATION_FACTOR_MAX = 32_767
const ANY = Number.POSITIVE_INFINITY
const DRY_RUN = { 'dry-run': { doc: 'let the broker check it, and change nothing' } }

export const CREATE_TOPICS: Command = {
  name: 'topic create',
  summary: 'Creates topics.',
  positionals: '<topic>...',
  positionalCount: { min: 1, max: ANY },
  options: {
    partitions: {
      short: 'p',
      value: 'n',
      doc: "partitions (default: the broker's num.partitions)",
    },
    'replication-factor': {
      short: 'r',
      value: 'n',
      doc: "replicas (default: the broker's default.replication.factor)",
    },
    config: { short: 'c', value: 'name=value', isRepeatable: true, doc: 'a topic configuration' },
    ...DRY_RUN,
  },
  async run({ admin, positionals, options, output }) {
    const configs = parseAssignments(listOption(options, 'config'), '--config')
    const validateOnly = isSet(options, 'dry-run')
    const topics = positionals.map((topic) => ({
      topic,
      partitions: integerOption(options, 'partitions', { min: 1, max: PARTITIONS_MAX }) ?? -1,
      replicationFactor:
        integerOption(options, 'replication-factor', { min: 1, max: REPLICATION_FACTOR_MAX }) ?? -1,
      configs,
    }))
    const outcomes = await admin.createTopics(topics, { validateOnly })
    return reportItems(output, outcomes, () => (validateOnly ? 'valid' : 'created'))
  },
}

export const DELETE_TOPICS: Command = {
  name: 'topic delete',
  summary: 'Deletes topics with their records.',
  positionals: '<topic>...',
  positionalCount: { min: 1, max: ANY },
  options: {},
  async run({ admin, positionals, output, confirm }) {
    if (!(await confirm(`Delete ${positionals.join(', ')} with all records?`))) return EXIT.failed
    return reportItems(output, await admin.deleteTopics(positionals), () => 'deleted')
  },
}

export const ADD_PARTITIONS: Command = {
  name: 'topic add-partitions',
  summary: 'Raises the number of partitions of a topic to a new total.',
  positionals: '<topic> <total>',
  positionalCount: { min: 2, max: 2 },
  options: DRY_RUN,
  notes:
    'Keys move: a record of a key may go to another partition than the earlier ones of that key.',
  async run({ admin, positionals: [topic = '', total = ''], options, output }) {
    const count = parseInteger(total, 'the total', { min: 1, max: PARTITIONS_MAX })
    const validateOnly = isSet(options, 'dry-run')
    await admin.createPartitions(topic, count, { validateOnly })
    const result = `${validateOnly ? 'may have' : 'has'} ${count} partitions`
    return reportItems(output, [{ ok: true, name: topic, value: undefined }], () => result)
  },
}

export const TRIM_TOPIC: Command = {
  name: 'topic trim',
  summary: 'Deletes the records of a topic before an offset (DeleteRecords).',
  positionals: '<topic>',
  positionalCount: { min: 1, max: 1 },
  options: {
    partition: { short: 'p', value: 'n', doc: 'this partition alone (default: all)' },
    'before-offset': { value: 'offset', doc: 'the first offset to keep; end deletes all' },
  },
  async run({ admin, positionals: [topic = ''], options, output, confirm }) {
    const before = options['before-offset']
    if (typeof before !== 'string') throw new UsageError('--before-offset says what to delete')
    const offset =
      before === 'end'
        ? -1
        : parseInteger(before, '--before-offset', { min: 0, max: Number.MAX_SAFE_INTEGER })
    const only = integerOption(options, 'partition', { min: 0, max: PARTITIONS_MAX })
    const [description] = await admin.describeTopics([topic])
    if (description?.ok !== true) throw description?.error ?? new UsageError(`no topic ${topic}`)
    const partitions = description.value.partitions
      .map(({ partition }) => partition)
      .filter((partition) => only === undefined || partition === only)
    const what = before === 'end' ? 'all records' : `the records before offset ${before}`
    const where = `${topic} (${partitions.length} partitions)`
    if (!(await confirm(`Delete ${what} of ${where}?`))) return EXIT.failed
    const targets = partitions.map((partition) => ({ topic, partition, offset }))
    return reportItems(
      output,
      await admin.deleteRecords(targets),
      (lowWatermark) => `starts at ${lowWatermark}`,
    )
  },
}
