import {
  COMPATIBILITY_LEVELS,
  type CompatibilityLevel,
  type SchemaVersion,
} from '@fairlead/schemas'
import { FileReferences } from './file-references.ts'
import { OfflineRegistry } from './offline-registry.ts'
import { type RegistryApi, subjectPath, unlessMissing } from './registry-api.ts'
import { readSchemaFiles } from './schema-files.ts'
import { type StoredVersion, schemaVersionOf } from './stored-version.ts'

/** What files are checked against, by subject. */
export type CheckSource = (subject: string) => Promise<OfflineRegistry>

/** Files of the same names in another folder, such as a checkout of the main branch. */
export async function folderSource(
  folder: string,
  level: CompatibilityLevel,
): Promise<CheckSource> {
  const files = await readSchemaFiles([folder])
  const registry = new OfflineRegistry(level)
  const references = new FileReferences(files)
  for (const file of files) {
    const { subject, schemaType, schema } = file
    const stored = { subject, version: 1, schemaType, schema }
    const resolved = references.into(registry, file)
    registry.add(schemaVersionOf({ ...stored, id: registry.nextId, references: resolved }))
  }
  return async () => registry
}

/** The versions in a registry with their references, and the level in force unless one is given. */
export function registrySource(
  api: RegistryApi,
  level: CompatibilityLevel | undefined,
): CheckSource {
  return async (subject) => {
    const inForce = level ?? (await levelOf(api, subject))
    const registry = new OfflineRegistry(inForce)
    const versions =
      (await unlessMissing(api.get<number[]>(subjectPath(subject, '/versions')))) ?? []
    const compared = inForce.endsWith('_TRANSITIVE') ? versions : versions.slice(-1)
    for (const version of compared) await loadVersion(api, registry, { subject, version })
    return registry
  }
}

async function levelOf(api: RegistryApi, subject: string): Promise<CompatibilityLevel> {
  const path = `/config/${encodeURIComponent(subject)}?defaultToGlobal=true`
  const { compatibilityLevel } = await api.get<{ compatibilityLevel?: string }>(path)
  return COMPATIBILITY_LEVELS.find((known) => known === compatibilityLevel) ?? 'BACKWARD'
}

/** Puts a version and what it refers to into `registry`, and answers it. */
export async function loadVersion(
  api: RegistryApi,
  registry: OfflineRegistry,
  { subject, version }: { readonly subject: string; readonly version: number | string },
): Promise<SchemaVersion> {
  const path = subjectPath(subject, `/versions/${encodeURIComponent(version)}?deleted=true`)
  const stored = schemaVersionOf(await api.get<StoredVersion>(path))
  for (const reference of stored.references) {
    const isThere = registry.has(reference.subject, reference.version)
    if (!isThere) await loadVersion(api, registry, reference)
  }
  if (!registry.has(stored.subject, stored.version)) registry.add(stored)
  return stored
}
