import {
  type Command,
  EXIT,
  type Invocation,
  UsageError,
  isSet,
  listOption,
  textOption,
} from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { RegistryApi, subjectPath } from './registry-api.ts'
import { readSchemaFile } from './schema-files.ts'

export const CREATE_SCHEMA: Command = {
  name: 'schema create',
  summary: 'Registers a schema from a file.',
  positionals: '<subject> <file>',
  positionalCount: { min: 2, max: 2 },
  options: {
    reference: {
      value: 'name=subject:version',
      isRepeatable: true,
      doc: 'a schema that this one uses by name; version -1 is the latest',
    },
    normalize: { doc: 'normalize the text before it is stored' },
  },
  notes:
    '*.avsc is Avro, *.json is JSON Schema, *.proto is Protobuf. The same schema again changes nothing.',
  async run({ positionals: [subject = '', path = ''], options, output, connection }) {
    const { schema, schemaType } = await readSchemaFile(path)
    const references = listOption(options, 'reference').map(referenceOf)
    const query = isSet(options, 'normalize') ? '?normalize=true' : ''
    const { id } = await new RegistryApi(connection).post<{ readonly id: number }>(
      subjectPath(subject, `/versions${query}`),
      { schema, schemaType, references },
    )
    output.object({ subject, id }, [{ title: '', text: `${subject}: id ${id}\n` }])
    return EXIT.ok
  },
}

function referenceOf(text: string): object {
  const [, name, subject, version] = /^([^=]+)=(.+):(-1|\d+)$/.exec(text) ?? []
  if (name !== undefined) return { name, subject, version: Number(version) }
  throw new UsageError(`--reference is name=subject:version, not "${text}"`)
}

export const DELETE_SCHEMA: Command = {
  name: 'schema delete',
  summary: 'Soft-deletes a subject or one of its versions; with --permanent for good.',
  positionals: '<subject> [version]',
  positionalCount: { min: 1, max: 2 },
  options: { permanent: { doc: 'remove what is soft-deleted already' } },
  notes: 'What is soft-deleted stays readable by its id; what is removed for good does not.',
  async run({ positionals: [subject = '', version], options, output, connection, confirm }) {
    const isPermanent = isSet(options, 'permanent')
    const what =
      version === undefined ? `subject "${subject}"` : `version ${version} of "${subject}"`
    if (!(await confirm(`Delete ${what}${isPermanent ? ' for good' : ''}?`))) return EXIT.failed
    const rest = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`
    const answer = await new RegistryApi(connection).delete<number | number[]>(
      `${subjectPath(subject, rest)}${isPermanent ? '?permanent=true' : ''}`,
    )
    const versions = [answer].flat()
    const text = `${subject}: deleted ${versions.join(', ')}\n`
    output.object({ subject, versions }, [{ title: '', text }])
    return EXIT.ok
  },
}

type Setting = {
  readonly name: 'compat' | 'mode'
  readonly path: string
  /** Member of the answer, and of the body that sets it. */
  readonly read: string
  readonly write: string
  readonly summary: string
}

export const SCHEMA_COMPATIBILITY: Command = settingCommand({
  name: 'compat',
  path: '/config',
  read: 'compatibilityLevel',
  write: 'compatibility',
  summary: 'Shows or sets the compatibility level, of a subject or of all.',
})

export const SCHEMA_MODE: Command = settingCommand({
  name: 'mode',
  path: '/mode',
  read: 'mode',
  write: 'mode',
  summary: 'Shows or sets the mode (READWRITE, READONLY, IMPORT), of a subject or of all.',
})

type SettingRow = JsonObject & { readonly subject: string; readonly value: string }

const SETTING_COLUMNS: readonly Column<SettingRow>[] = [
  { title: 'subject', value: ({ subject }) => subject },
  { title: 'value', value: ({ value }) => value },
]

function settingCommand(setting: Setting): Command {
  return {
    name: `schema ${setting.name}`,
    summary: setting.summary,
    positionals: '[subject]',
    positionalCount: { min: 0, max: 1 },
    options: {
      set: { value: 'value', doc: 'the new value' },
      unset: { doc: 'remove the value, so that the next wider one is in force' },
    },
    async run({ positionals: [subject], options, output, connection }) {
      const path = `${setting.path}${subject === undefined ? '' : `/${encodeURIComponent(subject)}`}`
      const value = await changedSetting(new RegistryApi(connection), setting, path, options)
      output.list([{ subject: subject ?? '*', value }], SETTING_COLUMNS)
      return EXIT.ok
    },
  }
}

/** What is in force after the change, if there is one. */
async function changedSetting(
  api: RegistryApi,
  { read, write }: Setting,
  path: string,
  options: Invocation['options'],
): Promise<string> {
  const value = textOption(options, 'set')
  if (value !== undefined) await api.put(path, { [write]: value })
  else if (isSet(options, 'unset')) await api.delete(path)
  const answer = await api.get<Readonly<Record<string, string>>>(`${path}?defaultToGlobal=true`)
  return answer[read] ?? ''
}
