import type { ProtoDifference } from './difference.ts'
import type { ProtoField, ProtoMessage, ProtoOneof } from './proto-file.ts'

type CompareFields = (old: ProtoField, next: ProtoField) => ProtoDifference[]

/**
 * Fields of a message, and their membership in oneofs. A field is compared by its number, wherever
 * it stands; what becomes exclusive that was not before is refused.
 */
export class OneofComparison {
  readonly #old: ProtoMessage
  readonly #next: ProtoMessage
  readonly #path: string
  readonly #oldFields: ReadonlyMap<number, ProtoField>
  readonly #nextFields: ReadonlyMap<number, ProtoField>
  /** Number of a field → name of its oneof. */
  readonly #oldOneofOf: ReadonlyMap<number, string>
  readonly #nextOneofOf: ReadonlyMap<number, string>

  constructor(old: ProtoMessage, next: ProtoMessage, path: string) {
    this.#old = old
    this.#next = next
    this.#path = path
    this.#oldFields = fieldsByTag(old)
    this.#nextFields = fieldsByTag(next)
    this.#oldOneofOf = oneofByTag(old)
    this.#nextOneofOf = oneofByTag(next)
  }

  compare(compareFields: CompareFields): ProtoDifference[] {
    return [
      ...this.#next.oneofs.flatMap((oneof) => this.#exclusiveNow(oneof)),
      ...this.#oneofs(),
      ...this.#fields(compareFields),
    ]
  }

  /** A oneof may take in one field that stood alone, and only when its others are new. */
  #exclusiveNow({ name, fields }: ProtoOneof): ProtoDifference[] {
    const path = `${this.#path}/${name}`
    const known = fields.filter(({ tag }) => this.#oldFields.has(tag))
    const movedCount = known.filter(({ tag }) => !this.#oldOneofOf.has(tag)).length
    if (movedCount > 1) return [{ type: 'MULTIPLE_FIELDS_MOVED_TO_ONEOF', path }]
    const joinsOthers = movedCount === 1 && known.length > 1
    return joinsOthers ? [{ type: 'FIELD_MOVED_TO_EXISTING_ONEOF', path }] : []
  }

  #oneofs(): ProtoDifference[] {
    const [oldNames, nextNames] = [this.#old, this.#next].map(
      ({ oneofs }) => new Set(oneofs.map(({ name }) => name)),
    ) as [Set<string>, Set<string>]
    const at = (name: string): string => `${this.#path}/${name}`
    return [
      ...[...oldNames]
        .filter((name) => !nextNames.has(name))
        .map((name) => ({ type: 'ONEOF_REMOVED', path: at(name) })),
      ...[...nextNames]
        .filter((name) => !oldNames.has(name))
        .map((name) => ({ type: 'ONEOF_ADDED', path: at(name) })),
      ...this.#old.oneofs
        .filter(({ name }) => nextNames.has(name))
        .flatMap((oneof) => this.#missing(oneof)),
    ]
  }

  /** A member of a oneof that stays, gone from the message, or now on its own. */
  #missing({ name, fields }: ProtoOneof): ProtoDifference[] {
    return fields.flatMap(({ tag }): ProtoDifference[] => {
      const path = `${this.#path}/${name}/${tag}`
      if (!this.#nextFields.has(tag)) return [{ type: 'ONEOF_FIELD_REMOVED', path }]
      const isAlone = !this.#nextOneofOf.has(tag)
      return isAlone ? [{ type: 'ONEOF_FIELD_MOVED_TO_TOP_LEVEL', path }] : []
    })
  }

  #fields(compareFields: CompareFields): ProtoDifference[] {
    const tags = new Set([...this.#oldFields.keys(), ...this.#nextFields.keys()])
    return [...tags]
      .sort((left, right) => left - right)
      .flatMap((tag): ProtoDifference[] => {
        const path = `${this.#path}/${tag}`
        const [before, after] = [this.#oldFields.get(tag), this.#nextFields.get(tag)]
        if (before !== undefined && after !== undefined) return compareFields(before, after)
        const [field, oneofOf, change] =
          after === undefined
            ? [before, this.#oldOneofOf, 'REMOVED']
            : [after, this.#nextOneofOf, 'ADDED']
        // Members of a oneof are spoken of with it.
        if (oneofOf.has(tag)) {
          return change === 'ADDED' ? [{ type: 'ONEOF_FIELD_ADDED', path }] : []
        }
        const what = field?.label === 'required' ? 'REQUIRED_FIELD' : 'FIELD'
        return [{ type: `${what}_${change}`, path }]
      })
  }
}

function fieldsByTag({ fields, oneofs }: ProtoMessage): ReadonlyMap<number, ProtoField> {
  const all = [...fields, ...oneofs.flatMap((oneof) => oneof.fields)]
  return new Map(all.map((field) => [field.tag, field]))
}

function oneofByTag({ oneofs }: ProtoMessage): ReadonlyMap<number, string> {
  return new Map(
    oneofs.flatMap(({ name, fields }) => fields.map(({ tag }) => [tag, name] as const)),
  )
}
