import { type Command, EXIT } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { ENTITY_OPTIONS, entityOf } from './entity-options.ts'

type Row = JsonObject & {
  readonly user?: string | null
  readonly clientId?: string | null
  readonly ip?: string | null
  readonly key: string
  readonly value: number
}

/** Nothing for what the quota does not speak of. */
const nameOf = (name: string | null | undefined): string =>
  name === null ? '(default)' : (name ?? '')

const COLUMNS: readonly Column<Row>[] = [
  { title: 'user', value: ({ user }) => nameOf(user) },
  { title: 'client', value: ({ clientId }) => nameOf(clientId) },
  { title: 'ip', value: ({ ip }) => nameOf(ip) },
  { title: 'quota', value: ({ key }) => key },
  { title: 'value', value: ({ value }) => value, align: 'right' },
]

export const LIST_QUOTAS: Command = {
  name: 'quota list',
  summary:
    'Shows the quotas of users, client ids and addresses; all of them, or those that are named.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: ENTITY_OPTIONS,
  async run({ admin, options, output }) {
    const found = await admin.describeQuotas(entityOf(options))
    const rows = found.flatMap(({ entity, values }) =>
      Object.entries(values).map(([key, value]): Row => {
        const { user, 'client-id': clientId, ip } = entity
        return {
          ...(user === undefined ? {} : { user }),
          ...(clientId === undefined ? {} : { clientId }),
          ...(ip === undefined ? {} : { ip }),
          key,
          value,
        }
      }),
    )
    output.list(rows, COLUMNS)
    return EXIT.ok
  },
}
