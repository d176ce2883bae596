import { readFile } from 'node:fs/promises'
import { type Command, EXIT, UsageError, isSet } from '../command/command.ts'
import { RegistryApi, subjectPath, unlessMissing } from './registry-api.ts'
import { storedVersions } from './show-schemas.ts'
import type { StoredVersion } from './stored-version.ts'

/** Which subject the keys or values of a topic have their schemas in. */
type Association = {
  readonly subject: string
  readonly resourceName: string
  readonly resourceNamespace: string
  readonly resourceId: string
  readonly resourceType: string
  readonly associationType: string
  readonly lifecycle: string
  readonly frozen?: boolean
}

/** One line of an export: a version, an association, or settings of a subject (`null` for those of all). */
type ExportLine =
  | ({ readonly kind: 'schema' } & StoredVersion)
  | ({ readonly kind: 'association' } & Association)
  | { readonly kind: 'config'; readonly subject: string | null; readonly config: object }
  | { readonly kind: 'mode'; readonly subject: string | null; readonly mode: string }

export const EXPORT_SCHEMAS: Command = {
  name: 'schema export',
  summary: 'Prints everything that a registry holds, one JSON line each, for schema import.',
  positionals: '[prefix]',
  positionalCount: { min: 0, max: 1 },
  options: { deleted: { doc: 'soft-deleted versions, too' } },
  async run({ positionals: [prefix = ''], options, output, connection }) {
    const lines = await exportOf(new RegistryApi(connection), {
      prefix,
      deleted: isSet(options, 'deleted'),
    })
    output.raw(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    return EXIT.ok
  },
}

async function exportOf(
  api: RegistryApi,
  { prefix, deleted }: { readonly prefix: string; readonly deleted: boolean },
): Promise<ExportLine[]> {
  const versions = await storedVersions(api, { prefix, latestOnly: false, deleted })
  // What is referenced has a lower id, unless it was registered again: then it is tried again.
  const ordered = versions.toSorted(
    (left, right) => left.id - right.id || left.version - right.version,
  )
  const lines: ExportLine[] = ordered.map((version) => ({ kind: 'schema', ...version }))
  for (const association of await storedAssociations(api)) {
    if (association.subject.startsWith(prefix)) {
      lines.push({ kind: 'association', ...movedParts(association) })
    }
  }
  const subjects = [null, ...new Set(versions.map(({ subject }) => subject))]
  for (const subject of subjects) {
    const rest = subject === null ? '' : `/${encodeURIComponent(subject)}`
    const config = await unlessMissing(api.get<object>(`/config${rest}`))
    if (config !== undefined) lines.push({ kind: 'config', subject, config })
    const mode = await unlessMissing(api.get<{ readonly mode: string }>(`/mode${rest}`))
    if (mode !== undefined) lines.push({ kind: 'mode', subject, ...mode })
  }
  return lines
}

const ASSOCIATIONS_PER_PAGE = 1_000

/** All of them; none of a registry that has none, such as Confluent's before 8.2. */
async function storedAssociations(api: RegistryApi): Promise<Association[]> {
  const all: Association[] = []
  for (;;) {
    const query = `?offset=${all.length}&limit=${ASSOCIATIONS_PER_PAGE}`
    const path = `/associations/resources/-/-${query}`
    const page = (await unlessMissing(api.get<Association[]>(path))) ?? []
    all.push(...page)
    if (page.length < ASSOCIATIONS_PER_PAGE) return all
  }
}

export const IMPORT_SCHEMAS: Command = {
  name: 'schema import',
  summary: 'Puts an export, or another registry, into this one: same ids, same versions.',
  positionals: '<file or url>',
  positionalCount: { min: 1, max: 1 },
  options: { settings: { doc: 'levels and modes, too' } },
  notes: `Can be repeated: what is there already is left alone, an id that belongs to another schema is an error.

  fairlead schema import http://old-registry:8081 --registry http://127.0.0.1:8081`,
  async run({ positionals: [source = ''], options, output, connection }) {
    const lines = /^https?:\/\//.test(source)
      ? await exportOf(new RegistryApi({ ...connection, registryUrl: source }), {
          prefix: '',
          deleted: true,
        })
      : parseLines(await readFile(source, 'utf8'))
    const api = new RegistryApi(connection)
    const versions = lines.filter((line) => line.kind === 'schema')
    const associations = lines.filter((line) => line.kind === 'association')
    await importVersions(api, { versions, associations })
    if (isSet(options, 'settings')) await importSettings(api, lines)
    const [count, associationCount] = [versions.length, associations.length]
    const others = associationCount === 0 ? '' : `, ${associationCount} associations`
    output.object({ imported: count, associations: associationCount }, [
      { title: '', text: `${count} versions imported${others}\n` },
    ])
    return EXIT.ok
  },
}

function parseLines(text: string): ExportLine[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => {
      try {
        return JSON.parse(line) as ExportLine
      } catch {
        throw new UsageError(`line ${index + 1} is not JSON: is this a file of schema export?`)
      }
    })
}

async function importVersions(
  api: RegistryApi,
  {
    versions,
    associations,
  }: {
    readonly versions: readonly (ExportLine & { kind: 'schema' })[]
    readonly associations: readonly Association[]
  },
): Promise<void> {
  const modes = new Map<string, string | undefined>()
  for (const { subject } of versions) {
    if (modes.has(subject)) continue
    const path = `/mode/${encodeURIComponent(subject)}`
    modes.set(subject, (await unlessMissing(api.get<{ readonly mode: string }>(path)))?.mode)
    await setMode(api, subject, 'IMPORT')
  }
  try {
    let left = versions
    while (left.length > 0) {
      const failed = await importOnce(api, left)
      // Each round puts in what the others refer to; without progress the refusal is final.
      if (failed.length === left.length) throw failed[0]?.error
      left = failed.map(({ version }) => version)
    }
    for (const { subject, version, deleted } of versions) {
      if (deleted === true)
        await unlessMissing(api.delete(subjectPath(subject, `/versions/${version}`)))
    }
    // In this mode a frozen one may come without its schema, which is there already.
    for (const association of associations) await importAssociation(api, association)
  } finally {
    for (const [subject, mode] of modes) {
      if (mode !== undefined) await setMode(api, subject, mode)
      else await unlessMissing(api.delete(`/mode/${encodeURIComponent(subject)}`))
    }
  }
}

/** Another registry gives it a GUID and times of its own. */
function movedParts({
  resourceName,
  resourceNamespace,
  resourceId,
  resourceType,
  subject,
  associationType,
  lifecycle,
  // Registries after Confluent 8.4 leave out what follows from the lifecycle.
  frozen = lifecycle === 'STRONG',
}: Association): Association {
  const resource = { resourceName, resourceNamespace, resourceId, resourceType }
  return { ...resource, subject, associationType, lifecycle, frozen }
}

async function importAssociation(api: RegistryApi, association: Association): Promise<void> {
  const { subject, associationType, lifecycle, frozen, ...resource } = movedParts(association)
  const associations = [{ subject, associationType, lifecycle, frozen }]
  await api.post('/associations', { ...resource, associations })
}

async function importOnce(
  api: RegistryApi,
  versions: readonly (ExportLine & { kind: 'schema' })[],
) {
  const failed: { readonly version: ExportLine & { kind: 'schema' }; readonly error: unknown }[] =
    []
  for (const version of versions) {
    const { kind: _kind, subject, deleted: _deleted, ...body } = version
    try {
      await api.post(subjectPath(subject, '/versions'), body)
    } catch (error) {
      failed.push({ version, error })
    }
  }
  return failed
}

async function importSettings(api: RegistryApi, lines: readonly ExportLine[]): Promise<void> {
  for (const line of lines) {
    const rest =
      line.kind === 'schema' || line.subject === null ? '' : `/${encodeURIComponent(line.subject)}`
    if (line.kind === 'config') {
      const { compatibilityLevel, ...others } = line.config as { compatibilityLevel?: string }
      await api.put(`/config${rest}`, { compatibility: compatibilityLevel, ...others })
    } else if (line.kind === 'mode') {
      await api.put(`/mode${rest}?force=true`, { mode: line.mode })
    }
  }
}

async function setMode(api: RegistryApi, subject: string, mode: string): Promise<void> {
  await api.put(`/mode/${encodeURIComponent(subject)}?force=true`, { mode })
}
