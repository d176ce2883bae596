import { type Command, EXIT, UsageError, isSet } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { loadVersion } from './check-sources.ts'
import { OfflineRegistry } from './offline-registry.ts'
import { RegistryApi, subjectPath } from './registry-api.ts'
import type { StoredVersion } from './stored-version.ts'

type Row = JsonObject & {
  readonly subject: string
  readonly version: number
  readonly id: number
  readonly schemaType: string
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'subject', value: ({ subject }) => subject },
  { title: 'version', value: ({ version }) => version, align: 'right' },
  { title: 'id', value: ({ id }) => id, align: 'right' },
  { title: 'type', value: ({ schemaType }) => schemaType },
]

/** The registry's own maximum. */
const PAGE_SIZE = 1_000

export const LIST_SCHEMAS: Command = {
  name: 'schema list',
  summary: 'Lists subjects with their newest version.',
  positionals: '[prefix]',
  positionalCount: { min: 0, max: 1 },
  options: {
    all: { doc: 'all versions' },
    deleted: { doc: 'soft-deleted versions, too' },
  },
  async run({ positionals: [prefix = ''], options, output, connection }) {
    const versions = await storedVersions(new RegistryApi(connection), {
      prefix,
      latestOnly: !isSet(options, 'all'),
      deleted: isSet(options, 'deleted'),
    })
    const rows = versions.map(({ subject, version, id, schemaType = 'AVRO' }) => ({
      subject,
      version,
      id,
      schemaType,
    }))
    output.list(rows, COLUMNS)
    return EXIT.ok
  },
}

/** All pages of `GET /schemas`. */
export async function storedVersions(
  api: RegistryApi,
  query: { readonly prefix?: string; readonly latestOnly: boolean; readonly deleted: boolean },
): Promise<StoredVersion[]> {
  const { prefix = '', latestOnly, deleted } = query
  const versions: StoredVersion[] = []
  for (;;) {
    const page = await api.get<StoredVersion[]>(
      `/schemas?subjectPrefix=${encodeURIComponent(prefix)}&latestOnly=${latestOnly}&deleted=${deleted}&offset=${versions.length}&limit=${PAGE_SIZE}`,
    )
    versions.push(...page)
    if (page.length < PAGE_SIZE) return versions
  }
}

export const GET_SCHEMA: Command = {
  name: 'schema get',
  summary: 'Shows the schema of a version, or of an id.',
  positionals: '<subject or id> [version]',
  positionalCount: { min: 1, max: 2 },
  options: { id: { doc: 'the argument is an id' } },
  async run({ positionals: [name = '', version = 'latest'], options, output, connection }) {
    const api = new RegistryApi(connection)
    const path = isSet(options, 'id')
      ? `/schemas/ids/${encodeURIComponent(name)}`
      : subjectPath(name, `/versions/${encodeURIComponent(version)}`)
    const found = await api.get<JsonObject & { readonly schema: string }>(path)
    if (output.format === 'table') output.raw(`${found.schema.trimEnd()}\n`)
    else output.object(found, [])
    return EXIT.ok
  },
}

type ChangeRow = JsonObject & {
  readonly change: string
  readonly newPointer: string
  readonly oldPointer: string
  readonly sentence: string
  readonly danger: string
}

const CHANGE_COLUMNS: readonly Column<ChangeRow>[] = [
  { title: 'change', value: ({ change }) => change },
  { title: 'old', value: ({ oldPointer }) => oldPointer },
  { title: 'new', value: ({ newPointer }) => newPointer },
  { title: 'what', value: ({ sentence }) => sentence },
  { title: 'danger', value: ({ danger }) => danger },
]

export const DIFF_SCHEMAS: Command = {
  name: 'schema diff',
  summary: 'Shows what changed in meaning between two versions of a subject.',
  positionals: '<subject> <version> [version]',
  positionalCount: { min: 2, max: 3 },
  options: {},
  notes:
    'The second version is the latest if it is not given. Text that means the same is no change.',
  async run({ positionals: [subject = '', from = '', to = 'latest'], output, connection }) {
    const api = new RegistryApi(connection)
    const offline = new OfflineRegistry('NONE')
    const old = await loadVersion(api, offline, { subject, version: from })
    const next = await loadVersion(api, offline, { subject, version: to })
    const changes = offline.registry.changes(old, next)
    if (!changes.ok) throw new UsageError(changes.failure.message)
    const rows = changes.value.map(({ danger = '', ...change }) => ({ ...change, danger }))
    output.list(rows, CHANGE_COLUMNS)
    return EXIT.ok
  },
}
