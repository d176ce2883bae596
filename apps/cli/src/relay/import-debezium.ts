import { readFile, writeFile } from 'node:fs/promises'
import { parseConfigFile } from '@fairlead/service'
import {
  type DebeziumImport,
  type ImportLine,
  NotImportableError,
  importDebezium,
} from '@fairlead/cdc'
import { type Command, EXIT, UsageError, isSet, textOption } from '../command/command.ts'
import type { Column, JsonObject } from '../output/output.ts'

type Row = JsonObject & ImportLine

const COLUMNS: readonly Column<Row>[] = [
  { title: 'outcome', value: ({ outcome }) => outcome },
  { title: 'setting', value: ({ key }) => key },
  { title: 'value', value: ({ value }) => shortened(value) },
  { title: 'note', value: ({ note }) => note },
]
const VALUE_LENGTH_MAX = 60

export const IMPORT_DEBEZIUM: Command = {
  name: 'relay import-debezium',
  summary: 'Turns the configuration of a Debezium connector for Postgres into one of the relay.',
  positionals: '<file>...',
  positionalCount: { min: 1, max: 16 },
  options: {
    write: { value: 'file', doc: 'write the configuration there instead of printing it' },
    strict: { doc: 'exit code 5 when a setting has no counterpart' },
  },
  notes:
    "A file is a connector's JSON, as the REST API of Kafka Connect takes it, or properties: of a\n" +
    'connector, of a Connect worker (for its converters and bootstrap.servers), or of Debezium Server.\n' +
    'With several files the later one wins. The report goes to standard error; with --output json it\n' +
    'is printed with the settings. Secrets stand in the configuration as they are.',
  async run({ positionals, options, output }) {
    const imported = importFiles(await Promise.all(positionals.map(readEntries)))
    const text = propertiesText(imported, positionals)
    const target = textOption(options, 'write')
    if (target !== undefined) await writeFile(target, text, { mode: 0o600 })
    if (output.format !== 'table') {
      const { settings, report } = imported
      output.object({ settings: Object.fromEntries(settings), report: report.map(rowOf) }, [])
    } else if (target === undefined) {
      output.raw(text)
      output.note(
        `\n${reportText(output.tableText(imported.report.map(rowOf), COLUMNS), imported)}`,
      )
    } else {
      output.raw(reportText(output.tableText(imported.report.map(rowOf), COLUMNS), imported))
    }
    return isSet(options, 'strict') && missingCount(imported) > 0 ? EXIT.conflict : EXIT.ok
  },
}

async function readEntries(file: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(file, 'utf8')
  try {
    const values = parseConfigFile(file, text)
    const isProperties = !/\.(ya?ml|json)$/.test(file)
    return new Map(
      [...values].map(([key, value]) => [
        key,
        isProperties ? unescaped(String(value)) : String(value),
      ]),
    )
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** In Java's properties a backslash stands before what is meant as it is. */
function unescaped(value: string): string {
  return value.replaceAll(/\\(.)/g, '$1')
}

function importFiles(files: readonly ReadonlyMap<string, string>[]): DebeziumImport {
  try {
    return importDebezium(files)
  } catch (error) {
    if (error instanceof NotImportableError) throw new UsageError(error.message)
    throw error
  }
}

function propertiesText({ settings }: DebeziumImport, files: readonly string[]): string {
  const lines = settings.map(([key, value]) => `${key}=${value}\n`)
  return `# From ${files.join(', ')}\n${lines.join('')}`
}

function reportText(table: string, imported: DebeziumImport): string {
  const count = missingCount(imported)
  const verdict =
    count === 0
      ? 'Every setting has a counterpart, or needs none.'
      : `${count} setting(s) have no counterpart: see "missing".`
  return `${table}\n${verdict}\n`
}

function missingCount({ report }: DebeziumImport): number {
  return report.filter(({ outcome }) => outcome === 'missing').length
}

function rowOf({ key, value, outcome, note }: ImportLine): Row {
  return { key, value, outcome, note }
}

function shortened(value: string): string {
  return value.length <= VALUE_LENGTH_MAX ? value : `${value.slice(0, VALUE_LENGTH_MAX - 1)}…`
}
