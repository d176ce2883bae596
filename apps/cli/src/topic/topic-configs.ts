import type { ConfigChange } from '@fairlead/kafka'
import { type Command, EXIT, UsageError, isSet, parseAssignments } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { configObject } from './describe-topic.ts'

type Row = JsonObject & {
  readonly name: string
  readonly value: string | null
  readonly source: string
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'config', value: ({ name }) => name },
  { title: 'value', value: ({ value }) => value ?? '' },
  { title: 'source', value: ({ source }) => source },
]

export const GET_TOPIC_CONFIGS: Command = {
  name: 'topic get-config',
  summary: 'Shows the configuration of a topic and where each value comes from.',
  positionals: '<topic> [name...]',
  positionalCount: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {},
  async run({ admin, positionals: [topic = '', ...names], output }) {
    const configs = await admin.describeConfigs({ type: 'topic', name: topic })
    const known = new Set(configs.map(({ name }) => name))
    const unknown = names.find((name) => !known.has(name))
    if (unknown !== undefined) throw new UsageError(`topics have no configuration ${unknown}`)
    const rows = configs.map(configObject).filter(({ name }) => {
      return names.length === 0 || names.includes(name)
    })
    output.list(rows, COLUMNS)
    return EXIT.ok
  },
}

export const SET_TOPIC_CONFIGS: Command = {
  name: 'topic set-config',
  summary:
    'Changes the configuration of a topic; name= (without a value) goes back to the default.',
  positionals: '<topic> <name=value>...',
  positionalCount: { min: 2, max: Number.POSITIVE_INFINITY },
  options: { 'dry-run': { doc: 'let the broker check it, and change nothing' } },
  async run({ admin, positionals: [topic = '', ...texts], options, output }) {
    const assignments = Object.entries(parseAssignments(texts, 'a configuration'))
    const changes: readonly ConfigChange[] = assignments.map(([name, value]) => {
      return { name, value: value === '' ? null : value }
    })
    const validateOnly = isSet(options, 'dry-run')
    await admin.alterConfigs({ type: 'topic', name: topic }, changes, { validateOnly })
    const result = validateOnly ? 'valid' : 'changed'
    const rows = changes.map(({ name, value }) => ({ topic, name, value, result }))
    output.list(rows, [
      { title: 'config', value: ({ name }) => name },
      { title: 'value', value: ({ value }) => value ?? '(default)' },
      { title: 'result', value: (row) => row.result },
    ])
    return EXIT.ok
  },
}
