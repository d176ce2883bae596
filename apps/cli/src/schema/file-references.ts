import type { SchemaReference } from '@fairlead/schemas'
import type { OfflineRegistry } from './offline-registry.ts'
import type { SchemaFile } from './schema-files.ts'
import { schemaVersionOf } from './stored-version.ts'
import { isCalled, usedNames } from './used-names.ts'

const ONLY_VERSION = 1

/**
 * What the schemas in files refer to: other files of the same set, under a subject that is the path of
 * the file; and what no file defines, as the newest stored version of the subject refers to it.
 */
export class FileReferences {
  readonly #files: readonly SchemaFile[]
  readonly #names = new Map<SchemaFile, readonly string[]>()

  constructor(files: readonly SchemaFile[]) {
    this.#files = files
  }

  /** The references of a file, with what they lead to put into the registry. */
  into(registry: OfflineRegistry, file: SchemaFile): readonly SchemaReference[] {
    return this.#into(registry, file, new Set([file]))
  }

  /** As `into`, but to the subjects of the files as a registry has them: the latest versions. */
  registered(file: SchemaFile): readonly SchemaReference[] {
    return this.#namesOf(file).flatMap((name) => {
      const target = this.#named(file, name)
      return target === undefined ? [] : [{ name, subject: target.subject, version: -1 }]
    })
  }

  #into(
    registry: OfflineRegistry,
    file: SchemaFile,
    open: ReadonlySet<SchemaFile>,
  ): readonly SchemaReference[] {
    const stored = registry.registry.view.versions(file.subject, {}).at(-1)?.references ?? []
    return this.#namesOf(file).flatMap((name): SchemaReference[] => {
      const target = this.#named(file, name)
      if (target === undefined) return stored.filter((reference) => reference.name === name)
      // Files that use each other: the registry has no such references, and the check says so.
      if (open.has(target)) return []
      if (!registry.has(target.path, ONLY_VERSION)) {
        const references = this.#into(registry, target, new Set([...open, target]))
        const { path: subject, schemaType, schema } = target
        const place = { subject, version: ONLY_VERSION, id: registry.nextId }
        registry.add(schemaVersionOf({ ...place, schemaType, schema, references }))
      }
      return [{ name, subject: target.path, version: ONLY_VERSION }]
    })
  }

  #named(from: SchemaFile, name: string): SchemaFile | undefined {
    return this.#files.find(
      (file) => file !== from && file.schemaType === from.schemaType && isCalled(file, name),
    )
  }

  #namesOf(file: SchemaFile): readonly string[] {
    const known = this.#names.get(file)
    if (known !== undefined) return known
    const names = usedNames(file)
    this.#names.set(file, names)
    return names
  }
}
