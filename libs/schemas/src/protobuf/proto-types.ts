import { mapTypes } from './proto-file.ts'
import type { ProtoFile, ProtoType } from './proto-file.ts'
import { WELL_KNOWN_TYPES } from './well-known-types.ts'

/** A type with its place: where its name is from, and whether it is the file's own. */
export type FoundType = {
  readonly fullName: string
  readonly packageName: string
  readonly type: ProtoType
  /** Name and version of the reference that it comes from; empty for the file's own types. */
  readonly origin: string
}

/** All types of a file and of what it imports, by their full names. */
export class ProtoTypes {
  readonly #byFullName = new Map<string, FoundType>()

  constructor(file: ProtoFile, dependencies: readonly ProtoDependency[]) {
    for (const { file: dependency, origin } of dependencies) this.#add(dependency, origin)
    this.#add(file, '')
  }

  has(fullName: string): boolean {
    return this.#byFullName.has(fullName)
  }

  /**
   * The type that `name` means inside `scope` (a full name, or the package): protoc looks from the
   * innermost scope outwards. Undefined for scalars and for what is nowhere.
   */
  resolve(name: string, scope: string): FoundType | undefined {
    if (name.startsWith('.')) return this.#byFullName.get(name.slice(1))
    for (let outer = scope; outer !== ''; outer = parentOf(outer)) {
      const found = this.#byFullName.get(`${outer}.${name}`)
      if (found !== undefined) return found
    }
    return this.#byFullName.get(name)
  }

  /** `name` with its full name in place, as normalization writes it. */
  qualified(name: string, scope: string): string {
    const map = mapTypes(name)
    if (map !== undefined) return `map<${map.key}, ${this.qualified(map.value, scope)}>`
    const found = this.resolve(name, scope)
    return found === undefined ? name : `.${found.fullName}`
  }

  #add(file: ProtoFile, origin: string): void {
    const packageName = file.packageName ?? ''
    const add = (types: readonly ProtoType[], scope: string): void => {
      for (const type of types) {
        const fullName = scope === '' ? type.name : `${scope}.${type.name}`
        this.#byFullName.set(fullName, { fullName, packageName, type, origin })
        if (type.kind === 'message') add(type.types, fullName)
      }
    }
    add(file.types, packageName)
  }
}

export type ProtoDependency = { readonly file: ProtoFile; readonly origin: string }

/** The files that every Protobuf compiler brings along: only the names of their types matter here. */
export function wellKnownFile(path: string): ProtoFile | undefined {
  const known = WELL_KNOWN_TYPES.get(path)
  if (known === undefined) return undefined
  const message = { fields: [], oneofs: [], types: [], extensions: [], extends: [] }
  const types = known.names.map((name): ProtoType => {
    const head = { options: [], reserved: [] }
    return name.startsWith('enum ')
      ? { ...head, kind: 'enum', name: name.slice('enum '.length), constants: [] }
      : { ...head, ...message, kind: 'message', name }
  })
  return {
    syntax: 'proto3',
    packageName: known.packageName,
    imports: [],
    publicImports: [],
    options: [],
    types,
    extends: [],
    services: [],
  }
}

function parentOf(fullName: string): string {
  return fullName.slice(0, Math.max(0, fullName.lastIndexOf('.')))
}
