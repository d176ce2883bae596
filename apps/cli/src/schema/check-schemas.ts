import { writeFile } from 'node:fs/promises'
import { readJson, writeJson } from '@fairlead/avro'
import {
  COMPATIBILITY_LEVELS,
  type CompatibilityDetail,
  type CompatibilityLevel,
  parseCompatibilityLevel,
  patchText,
  valueAt,
} from '@fairlead/schemas'
import {
  type Command,
  EXIT,
  type OptionValues,
  UsageError,
  textOption,
} from '../command/command.ts'
import type { JsonObject } from '../output/output.ts'
import { consumersOf } from './check-consumers.ts'
import { type CheckSource, folderSource, registrySource } from './check-sources.ts'
import { FileReferences } from './file-references.ts'
import type { Finding } from './finding.ts'
import { RegistryApi } from './registry-api.ts'
import { sarifOf } from './sarif.ts'
import { type SchemaFile, readSchemaFiles } from './schema-files.ts'

export const CHECK_SCHEMAS: Command = {
  name: 'schema check',
  summary: 'Checks schema files against a registry or another folder, and says how to mend them.',
  positionals: '<file or folder>...',
  positionalCount: { min: 1, max: 1_000 },
  options: {
    against: { value: 'folder', doc: 'compare with files of the same names; needs no registry' },
    level: {
      value: 'level',
      doc: "compatibility level (default: the subject's; BACKWARD with --against)",
    },
    subject: { value: 'name', doc: "subject of a single file (default: the file's name)" },
    consumers: {
      doc: 'name the consumer groups that a change would break, whatever the level allows',
    },
    sarif: { value: 'file', doc: 'write the findings for code scanning (SARIF 2.1.0)' },
  },
  notes: `The subject of orders-value.avsc is orders-value; *.json is JSON Schema, *.proto is Protobuf.
Files may refer to each other: by the full name of a type (Avro), by import (Protobuf), by $id or file name
in $ref (JSON Schema); what none of them defines is taken from the references of the stored version.
Exit code 10 when a schema is invalid or incompatible. Every patch (RFC 6902) was tried.

  fairlead schema check schemas/
  fairlead schema check schemas/ --against ../main/schemas --level FULL_TRANSITIVE --sarif out.sarif`,
  async run({ positionals, options, output, connection }) {
    const api = new RegistryApi(connection)
    const files = withSubject(await readSchemaFiles(positionals), textOption(options, 'subject'))
    const references = new FileReferences(files)
    const source = await sourceOf(options, api)
    const withConsumers = wantsConsumers(options)
    const findings: Finding[] = []
    for (const file of files) {
      findings.push(...(await check(file, source, references)))
      if (withConsumers) findings.push(...(await checkConsumers(api, file, references)))
    }
    const sarif = textOption(options, 'sarif')
    if (sarif !== undefined) await writeFile(sarif, sarifOf(findings))
    if (output.format === 'table') output.raw(reportOf(files, findings))
    else output.list(findings, [])
    return findings.some(({ severity }) => severity === 'error') ? EXIT.unhealthy : EXIT.ok
  },
}

function withSubject(files: readonly SchemaFile[], subject: string | undefined): SchemaFile[] {
  if (subject === undefined) return [...files]
  const [file, ...others] = files
  if (file === undefined || others.length > 0) throw new UsageError('--subject is for one file')
  return [{ ...file, subject }]
}

function sourceOf(options: OptionValues, api: RegistryApi): Promise<CheckSource> | CheckSource {
  const level = levelOf(textOption(options, 'level'))
  const folder = textOption(options, 'against')
  return folder === undefined
    ? registrySource(api, level)
    : folderSource(folder, level ?? 'BACKWARD')
}

function levelOf(text: string | undefined): CompatibilityLevel | undefined {
  if (text === undefined) return undefined
  const level = parseCompatibilityLevel(text)
  if (level !== undefined) return level
  throw new UsageError(`--level is one of ${COMPATIBILITY_LEVELS.join(', ')}, not "${text}"`)
}

function wantsConsumers(options: OptionValues): boolean {
  const wants = options['consumers'] === true
  if (!wants || textOption(options, 'against') === undefined) return wants
  throw new UsageError('--consumers asks a registry, and --against needs none: choose one')
}

/** One finding per group that could not read what the new schema writes. */
async function checkConsumers(
  api: RegistryApi,
  file: SchemaFile,
  references: FileReferences,
): Promise<Finding[]> {
  const consumers = await consumersOf(api, file, references.registered(file))
  return consumers
    .filter((consumer) => consumer.is_broken)
    .map(({ group, members, last_seen: lastSeen, messages }) => {
      const count = `${members} ${members === 1 ? 'member' : 'members'}`
      const message = `group ${group} (${count}, last seen ${lastSeen}) could not read it: ${messages.join('; ')}`
      return finding(file, { rule: 'CONSUMER_BROKEN', pointer: '', message })
    })
}

async function check(
  file: SchemaFile,
  source: CheckSource,
  fileReferences: FileReferences,
): Promise<Finding[]> {
  const { subject, schemaType, schema } = file
  const offline = await source(subject)
  const { registry } = offline
  const references = fileReferences.into(offline, file)
  const request = { schema, schemaType, references, normalize: false }
  const outcome = registry.explainCompatibility(subject, undefined, request)
  if (!outcome.ok) {
    const pointer = /\(at (\/[^)]*)\)$/.exec(outcome.failure.message)?.[1] ?? ''
    return [finding(file, { rule: 'INVALID_SCHEMA', pointer, message: outcome.failure.message })]
  }
  const { verdict, details, patch, warnings } = outcome.value
  if (!verdict.isCompatible && details.length === 0) {
    const message = verdict.messages[0] ?? 'incompatible'
    return [finding(file, { rule: 'INCOMPATIBLE', pointer: '', message })]
  }
  return [
    ...details.map((detail, index) => ({
      ...finding(file, { rule: detail.rule, pointer: detail.newPointer, message: detail.message }),
      ...facts(detail),
      // What mends the whole file stands once, with the first finding.
      ...(index === 0 && patch !== undefined ? { filePatch: JSON.parse(patchText(patch)) } : {}),
    })),
    ...warnings.map(({ change, newPointer, sentence, danger }) => ({
      ...finding(file, {
        rule: change,
        pointer: newPointer,
        message: `${sentence}: ${danger ?? ''}`,
      }),
      severity: 'warning' as const,
    })),
  ]
}

function facts({ patch, sample, ...detail }: CompatibilityDetail): JsonObject {
  return {
    level: detail.level,
    version: detail.version,
    reader: detail.reader,
    newPointer: detail.newPointer,
    oldPointer: detail.oldPointer,
    ...(patch === undefined ? {} : { patch: JSON.parse(patchText(patch)) }),
    ...(sample === undefined ? {} : { sample: JSON.parse(writeJson(sample)) }),
  }
}

function finding(
  file: SchemaFile,
  about: { readonly rule: string; readonly pointer: string; readonly message: string },
): Finding {
  const { rule, pointer, message } = about
  const { path, subject } = file
  return { file: path, subject, severity: 'error', rule, message, ...placeOf(file, pointer) }
}

/** Line and column of a JSON pointer, from 1; the beginning where it leads nowhere. */
function placeOf(
  { schema, schemaType }: SchemaFile,
  pointer: string,
): { readonly line: number; readonly column: number } {
  let position = 0
  try {
    if (schemaType !== 'PROTOBUF') position = valueAt(readJson(schema), pointer)?.position ?? 0
  } catch {
    // Not JSON at all: the message says where.
  }
  const before = schema.slice(0, position)
  return { line: before.split('\n').length, column: position - before.lastIndexOf('\n') }
}

function reportOf(files: readonly SchemaFile[], findings: readonly Finding[]): string {
  const parts = findings.map((one) => {
    const { file, line, column, severity, rule, message } = one
    const lines = [`${file}:${line}:${column}: ${severity} ${rule}`, `  ${message}`]
    if (one.level !== undefined) {
      const reader =
        one.reader === 'new' ? 'the new schema reads old data' : 'old readers read new data'
      lines.push(`  level ${one.level}, version ${one.version}: ${reader}`)
    }
    if (one['sample'] !== undefined)
      lines.push(`  cannot be read: ${JSON.stringify(one['sample'])}`)
    if (one['patch'] !== undefined) lines.push(`  fix: ${JSON.stringify(one['patch'])}`)
    return `${lines.join('\n')}\n`
  })
  const errors = findings.filter(({ severity }) => severity === 'error').length
  const summary = `${files.length} checked, ${errors} errors, ${findings.length - errors} warnings\n`
  return [...parts, summary].join('')
}
