import { invariant } from '@fairlead/base'
import {
  type CompatibilityLevel,
  DEFAULT_CONTEXT,
  type RegistryRecord,
  SchemaRegistry,
  type SchemaVersion,
  encodeRecord,
} from '@fairlead/schemas'

/** The registry's own core without a topic: what is put into it is stored at once. */
export class OfflineRegistry {
  readonly registry: SchemaRegistry

  constructor(defaultCompatibilityLevel: CompatibilityLevel) {
    this.registry = new SchemaRegistry({ defaultCompatibilityLevel })
  }

  has(subject: string, version: number): boolean {
    return this.registry.view.image.version(subject, version) !== undefined
  }

  /** An id that nothing has yet. */
  get nextId(): number {
    return this.registry.view.image.highestId(DEFAULT_CONTEXT) + 1
  }

  add(value: SchemaVersion): void {
    const { subject, version } = value
    this.#store({ kind: 'schema', subject, version, value })
  }

  setLevel(subject: string, compatibilityLevel: CompatibilityLevel): void {
    const value = { compatibilityLevel, normalize: undefined, otherMembers: new Map() }
    this.#store({ kind: 'config', subject, value })
  }

  #store(record: RegistryRecord): void {
    const { log } = this.registry
    const offset = log.nextOffset
    const result = log.replay({ ...encodeRecord(record), offset, expectedOffset: offset })
    invariant(result.kind === 'applied', `a version that the registry gave was ${result.kind}`)
  }
}
