import { type QuotaChange, type QuotaEntity, quotaEntityText } from '@fairlead/kafka'
import {
  type Command,
  EXIT,
  type Invocation,
  UsageError,
  isSet,
  parseAssignments,
} from '../command/command.ts'
import { ENTITY_OPTIONS, namedEntityOf } from './entity-options.ts'

export const SET_QUOTAS: Command = {
  name: 'quota set',
  summary: 'Sets quotas of a user, a client id, both together, or an address.',
  positionals: '<quota=value>...',
  positionalCount: { min: 1, max: Number.POSITIVE_INFINITY },
  options: {
    ...ENTITY_OPTIONS,
    'dry-run': { doc: 'let the broker check it, and change nothing' },
  },
  notes:
    'Of users and client ids: producer_byte_rate, consumer_byte_rate (bytes per second),\n' +
    'request_percentage (of the event loop), controller_mutation_rate (partitions per second).\n' +
    'Of addresses: connection_creation_rate (per second).',
  async run({ admin, positionals, options, output }) {
    const entity = namedEntityOf(options)
    const changes = Object.entries(parseAssignments(positionals, 'a quota')).map(([key, text]) => {
      return { key, value: parseNumber(key, text) }
    })
    const validateOnly = isSet(options, 'dry-run')
    await admin.alterQuotas(entity, changes, { validateOnly })
    return report(output, entity, changes, validateOnly ? 'valid' : 'set')
  },
}

export const DELETE_QUOTAS: Command = {
  name: 'quota delete',
  summary: 'Removes quotas, by default all of the entity.',
  positionals: '[quota...]',
  positionalCount: { min: 0, max: Number.POSITIVE_INFINITY },
  options: ENTITY_OPTIONS,
  async run({ admin, positionals, options, output }) {
    const entity = namedEntityOf(options)
    const known = (await admin.describeQuotas(entity)).find(
      (found) => quotaEntityText(found.entity) === quotaEntityText(entity),
    )
    const keys = Object.keys(known?.values ?? {})
    const absent = positionals.find((key) => !keys.includes(key))
    if (absent !== undefined || keys.length === 0) {
      output.note(`There is no ${absent ?? 'quota'} of ${quotaEntityText(entity)}.`)
      return EXIT.notFound
    }
    const chosen = positionals.length === 0 ? keys : positionals
    const changes = chosen.map((key) => ({ key, value: null }))
    await admin.alterQuotas(entity, changes, { validateOnly: false })
    return report(output, entity, changes, 'deleted')
  },
}

function parseNumber(key: string, text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw new UsageError(`${key} is a number, not "${text}"`)
}

function report(
  output: Invocation['output'],
  entity: QuotaEntity,
  changes: readonly QuotaChange[],
  result: string,
) {
  const rows = changes.map(({ key, value }) => {
    return { entity: quotaEntityText(entity), quota: key, value, result }
  })
  output.list(rows, [
    { title: 'entity', value: (row) => row.entity },
    { title: 'quota', value: (row) => row.quota },
    { title: 'value', value: (row) => row.value ?? '' },
    { title: 'result', value: (row) => row.result },
  ])
  return EXIT.ok
}
