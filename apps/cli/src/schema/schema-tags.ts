import { type Command, EXIT, isSet, textOption } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { RegistryApi, subjectPath } from './registry-api.ts'

type SchemaTags = {
  readonly schemaEntity: {
    readonly entityPath: string
    readonly entityType: 'sr_record' | 'sr_field'
  }
  readonly tags: readonly string[]
}

type Row = JsonObject & { readonly path: string; readonly entity: string; readonly tags: string[] }

const COLUMNS: readonly Column<Row>[] = [
  { title: 'path', value: ({ path }) => path },
  { title: 'entity', value: ({ entity }) => entity },
  { title: 'tags', value: ({ tags }) => tags.join(', ') },
]

export const LIST_TAGS: Command = {
  name: 'schema tags list',
  summary: 'Lists the tagged records and fields of a schema.',
  positionals: '<subject> [version]',
  positionalCount: { min: 1, max: 2 },
  options: { tag: { value: 'tag', doc: 'what has this tag alone' } },
  notes: 'Tags of all that the schema is made of, those in its own text and in its references.',
  async run({ positionals: [subject = '', version = 'latest'], options, output, connection }) {
    const query = `?findTags=${encodeURIComponent(textOption(options, 'tag') ?? '*')}`
    const { schemaTags = [] } = await new RegistryApi(connection).get<{
      readonly schemaTags?: readonly SchemaTags[]
    }>(subjectPath(subject, `/versions/${encodeURIComponent(version)}${query}`))
    const rows = schemaTags.map(({ schemaEntity, tags }) => ({
      path: schemaEntity.entityPath,
      entity: schemaEntity.entityType === 'sr_record' ? 'record' : 'field',
      tags: [...tags],
    }))
    output.list(rows, COLUMNS)
    return EXIT.ok
  },
}

export const ADD_TAGS: Command = changeCommand({
  verb: 'add',
  member: 'tagsToAdd',
  summary: 'Adds tags to a field, or a record, of a schema, as a new version.',
})

export const REMOVE_TAGS: Command = changeCommand({
  verb: 'remove',
  member: 'tagsToRemove',
  summary: 'Removes tags from a field, or a record, of a schema, as a new version.',
})

function changeCommand(change: {
  readonly verb: string
  readonly member: 'tagsToAdd' | 'tagsToRemove'
  readonly summary: string
}): Command {
  return {
    name: `schema tags ${change.verb}`,
    summary: change.summary,
    positionals: '<subject> <path> <tag>...',
    positionalCount: { min: 3, max: 1_000 },
    options: {
      record: { doc: 'the path is that of a record (message, object), not of a field' },
      version: { value: 'version', doc: 'the version to begin with (default: latest)' },
    },
    notes:
      'A path has the names of records and fields with dots between them, as "schema tags list" shows it:\n' +
      'shop.Order.email. The tags are written into the text of the schema.',
    async run({ positionals: [subject = '', path = '', ...tags], options, output, connection }) {
      const entityType = isSet(options, 'record') ? 'sr_record' : 'sr_field'
      const from = encodeURIComponent(textOption(options, 'version') ?? 'latest')
      // Registries of Confluent's version 7 tell the id alone.
      const { id, version = null } = await new RegistryApi(connection).post<{
        readonly id: number
        readonly version?: number
      }>(subjectPath(subject, `/versions/${from}/tags`), {
        [change.member]: [{ schemaEntity: { entityPath: path, entityType }, tags }],
      })
      const text = `${subject}: ${version === null ? '' : `version ${version}, `}id ${id}\n`
      output.object({ subject, version, id }, [{ title: '', text }])
      return EXIT.ok
    },
  }
}
