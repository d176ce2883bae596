import { type ProtoDifference, isCompatibleProtoChange } from './difference.ts'
import type { LoadedProto } from './load-proto.ts'
import { OneofComparison } from './oneof-differences.ts'
import { SCALARS, mapTypes } from './proto-file.ts'
import type { ProtoEnum, ProtoField, ProtoMessage, ProtoType } from './proto-file.ts'
import type { FoundType } from './proto-types.ts'

/** Scalars that read each other's bytes (Protobuf, "Updating A Message Type"). */
const SCALAR_GROUPS: Readonly<Record<string, string>> = {
  int32: 'number',
  int64: 'number',
  uint32: 'number',
  uint64: 'number',
  bool: 'number',
  sint32: 'signed',
  sint64: 'signed',
  string: 'text',
  bytes: 'text',
  fixed32: 'fixed32',
  sfixed32: 'fixed32',
  fixed64: 'fixed64',
  sfixed64: 'fixed64',
  float: 'float',
  double: 'double',
}

/** Messages; those of references are compared wherever they are used. */
const COMPARISONS_MAX = 20_000

export function protoDifferences(old: LoadedProto, next: LoadedProto): ProtoDifference[] {
  return new ProtoComparison(old, next).compare()
}

/** The enclosing names on either side; they differ by the package alone. */
type Scope = { readonly old: string; readonly next: string; readonly path: string }

class ProtoComparison {
  readonly #old: LoadedProto
  readonly #next: LoadedProto
  /** Messages under comparison: one that is met again inside itself is taken as unchanged. */
  readonly #open = new Set<ProtoMessage>()
  #comparisonCount = 0

  constructor(old: LoadedProto, next: LoadedProto) {
    this.#old = old
    this.#next = next
  }

  compare(): ProtoDifference[] {
    const [old, next] = [this.#old.file, this.#next.file]
    const scope = { old: old.packageName ?? '', next: next.packageName ?? '', path: '#' }
    const ofTypes = this.#types(old.types, next.types, scope)
    if (old.packageName === next.packageName) return ofTypes
    return [{ type: 'PACKAGE_CHANGED', path: '#/' }, ...ofTypes]
  }

  #types(old: readonly ProtoType[], next: readonly ProtoType[], scope: Scope): ProtoDifference[] {
    const [oldMessages, nextMessages] = [old, next].map((types) => messagesOf(types))
    const [oldEnums, nextEnums] = [old, next].map((types) => enumsOf(types))
    return [
      ...pairs(oldMessages, nextMessages).flatMap(([name, before, after]): ProtoDifference[] => {
        const path = `${scope.path}/${name}`
        if (after === undefined) return [{ type: 'MESSAGE_REMOVED', path }]
        if (before === undefined) return [{ type: 'MESSAGE_ADDED', path }]
        const differences = this.message(before.message, after.message, inner(scope, name))
        const isMoved = before.index !== after.index
        return isMoved ? [...differences, { type: 'MESSAGE_MOVED', path }] : differences
      }),
      ...pairs(oldEnums, nextEnums).flatMap(([name, before, after]): ProtoDifference[] => {
        const path = `${scope.path}/${name}`
        if (after === undefined) return [{ type: 'ENUM_REMOVED', path }]
        if (before === undefined) return [{ type: 'ENUM_ADDED', path }]
        return enumDifferences(before, after, path)
      }),
    ]
  }

  message(old: ProtoMessage, next: ProtoMessage, scope: Scope): ProtoDifference[] {
    if (this.#open.has(old)) return []
    this.#comparisonCount += 1
    if (this.#comparisonCount > COMPARISONS_MAX) {
      return [{ type: 'COMPARISON_TOO_LARGE', path: scope.path }]
    }
    this.#open.add(old)
    const field = (before: ProtoField, after: ProtoField): ProtoDifference[] =>
      this.#field(before, after, scope)
    const differences = [
      ...new OneofComparison(old, next, scope.path).compare(field),
      ...this.#types(old.types, next.types, scope),
    ]
    this.#open.delete(old)
    return differences
  }

  #field(old: ProtoField, next: ProtoField, scope: Scope): ProtoDifference[] {
    const path = `${scope.path}/${next.tag}`
    const fieldScope = { ...scope, path }
    const differences: ProtoDifference[] = []
    if (old.name !== next.name) differences.push({ type: 'FIELD_NAME_CHANGED', path })
    differences.push(...this.#type(old.type, next.type, fieldScope))
    const isRelabelled = (old.label === 'repeated') !== (next.label === 'repeated')
    const group = this.#scalarGroup(old.type, 'old', scope)
    if (isRelabelled && group !== undefined && mapTypes(old.type) === undefined) {
      const what = group === 'text' ? 'STRING_OR_BYTES' : 'NUMERIC'
      differences.push({ type: `FIELD_${what}_LABEL_CHANGED`, path })
    }
    return differences
  }

  #type(old: string, next: string, scope: Scope): ProtoDifference[] {
    const { path } = scope
    const [oldMap, nextMap] = [mapTypes(old), mapTypes(next)]
    if (oldMap !== undefined && nextMap !== undefined) {
      return [
        ...this.#type(oldMap.key, nextMap.key, scope),
        ...this.#type(oldMap.value, nextMap.value, scope),
      ]
    }
    const oldGroup = this.#scalarGroup(old, 'old', scope)
    const nextGroup = this.#scalarGroup(next, 'next', scope)
    const isMap = oldMap !== undefined || nextMap !== undefined
    if (isMap || (oldGroup === undefined) !== (nextGroup === undefined)) {
      return [{ type: 'FIELD_KIND_CHANGED', path }]
    }
    if (oldGroup !== nextGroup) return [{ type: 'FIELD_SCALAR_KIND_CHANGED', path }]
    return oldGroup === undefined ? this.#namedType(old, next, scope) : []
  }

  /** Of a scalar or an enum, which travels as a number; undefined for messages and maps. */
  #scalarGroup(type: string, side: 'old' | 'next', scope: Scope): string | undefined {
    if (SCALARS.has(type)) return SCALAR_GROUPS[type]
    const { types } = side === 'old' ? this.#old : this.#next
    return types.resolve(type, scope[side])?.type.kind === 'enum' ? 'number' : undefined
  }

  #namedType(oldName: string, nextName: string, scope: Scope): ProtoDifference[] {
    const changed = [{ type: 'FIELD_NAMED_TYPE_CHANGED', path: scope.path }]
    const old = this.#old.types.resolve(oldName, scope.old)
    const next = this.#next.types.resolve(nextName, scope.next)
    if (old === undefined || next === undefined) return oldName === nextName ? [] : changed
    if (localName(old) !== localName(next)) return changed
    // A file's own types are compared with the file, and what is the same version is the same.
    if (old.origin === next.origin) return []
    if (old.type.kind !== 'message' || next.type.kind !== 'message') return []
    const differences = this.message(old.type, next.type, {
      old: old.fullName,
      next: next.fullName,
      path: `#/${localName(old).replaceAll('.', '/')}`,
    })
    return differences.every(isCompatibleProtoChange) ? differences : [...differences, ...changed]
  }
}

function inner({ old, next, path }: Scope, name: string): Scope {
  const within = (scope: string): string => (scope === '' ? name : `${scope}.${name}`)
  return { old: within(old), next: within(next), path: `${path}/${name}` }
}

function localName({ fullName, packageName }: FoundType): string {
  return packageName === '' ? fullName : fullName.slice(packageName.length + 1)
}

type Indexed = { readonly message: ProtoMessage; readonly index: number }

function messagesOf(types: readonly ProtoType[]): ReadonlyMap<string, Indexed> {
  const messages = types.filter((type) => type.kind === 'message')
  return new Map(messages.map((message, index) => [message.name, { message, index }]))
}

function enumsOf(types: readonly ProtoType[]): ReadonlyMap<string, ProtoEnum> {
  const enums = types.filter((type) => type.kind === 'enum')
  return new Map(enums.map((declared) => [declared.name, declared]))
}

/** Everything that is in either of both, by its key. */
function pairs<Key, Value>(
  old: ReadonlyMap<Key, Value> = new Map(),
  next: ReadonlyMap<Key, Value> = new Map(),
): (readonly [Key, Value | undefined, Value | undefined])[] {
  const keys = new Set([...old.keys(), ...next.keys()])
  return [...keys].map((key) => [key, old.get(key), next.get(key)] as const)
}

function enumDifferences(old: ProtoEnum, next: ProtoEnum, path: string): ProtoDifference[] {
  const byTag = ({ constants }: ProtoEnum): ReadonlyMap<number, string> =>
    new Map(constants.map(({ tag, name }) => [tag, name]))
  return pairs(byTag(old), byTag(next)).flatMap(([tag, before, after]): ProtoDifference[] => {
    if (before === after) return []
    let change = 'CHANGED'
    if (before === undefined) change = 'ADDED'
    else if (after === undefined) change = 'REMOVED'
    return [{ type: `ENUM_CONST_${change}`, path: `${path}/${tag}` }]
  })
}
