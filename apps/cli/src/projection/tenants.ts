import { type Command, EXIT } from '../command/command.ts'
import { PROJECTOR_OPTION, projectorApi } from '../command/projector-api.ts'
import type { Column, JsonObject } from '../output/output.ts'

type Tenant = JsonObject & {
  readonly name: string
  readonly schemaName: string
  readonly createdAt: string
}

const COLUMNS: readonly Column<Tenant>[] = [
  { title: 'tenant', value: ({ name }) => name },
  { title: 'schema', value: ({ schemaName }) => schemaName },
  { title: 'since', value: ({ createdAt }) => createdAt },
]

export const LIST_TENANTS: Command = {
  name: 'projection tenants',
  summary: 'Lists the tenants whose tables are kept apart, and the schemas that show them.',
  positionals: '',
  positionalCount: { min: 0, max: 0 },
  options: PROJECTOR_OPTION,
  async run({ options, output }) {
    const { tenants } = await projectorApi(options).get<{ readonly tenants: readonly Tenant[] }>(
      '/tenants',
    )
    output.list(tenants, COLUMNS)
    return EXIT.ok
  },
}

export const ADD_TENANT: Command = {
  name: 'projection add-tenant',
  summary: 'Makes the tables of a tenant before his first event.',
  positionals: '<tenant>',
  positionalCount: { min: 1, max: 1 },
  options: PROJECTOR_OPTION,
  notes:
    'What was parked because nobody knew the tenant is applied by "fairlead dlq replay --tenant".',
  async run({ options, output, positionals: [name = ''] }) {
    const path = `/tenants?name=${encodeURIComponent(name)}`
    const tenant = await projectorApi(options).send<Tenant>('POST', path, {})
    output.object(tenant, [{ title: '', text: `${name}: views in ${tenant.schemaName}\n` }])
    return EXIT.ok
  },
}
