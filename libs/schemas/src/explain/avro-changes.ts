import {
  type AvroSchema,
  type JsonValue,
  type RecordField,
  type RecordSchema,
  isNamed,
  writeJson,
} from '@fairlead/avro'

/** One difference of meaning between two versions of an Avro schema. */
export type SchemaChange = {
  /** `FIELD_ADDED`, `TYPE_CHANGED`, … */
  readonly change: string
  /** JSON pointers into both texts; empty where the part is not there. */
  readonly oldPointer: string
  readonly newPointer: string
  readonly sentence: string
  /** Compatible by the rules, and yet data may come to mean something else. */
  readonly danger?: string
}

const CHANGES_MAX = 1_000

/** What changed in meaning from `old` to `next`; text that means the same is no change. */
export function avroChanges(old: AvroSchema, next: AvroSchema): SchemaChange[] {
  const walk = new ChangeWalk()
  walk.types(old, next)
  return walk.changes.slice(0, CHANGES_MAX)
}

type Pair = readonly [oldPointer: string, newPointer: string]

class ChangeWalk {
  readonly changes: SchemaChange[] = []
  readonly #seen = new Map<AvroSchema, Set<AvroSchema>>()

  types(old: AvroSchema, next: AvroSchema): void {
    const seen = this.#seen.get(old) ?? new Set()
    if (seen.has(next) || this.changes.length > CHANGES_MAX) return
    this.#seen.set(old, seen.add(next))
    const at: Pair = [old.pointer, next.pointer]
    if (old.kind !== next.kind) {
      this.#ofKinds(old, next, at)
      return
    }
    this.#ofAnnotations(old, next, at)
    if (isNamed(old) && isNamed(next) && old.name.fullName !== next.name.fullName) {
      this.#ofNames(old, next, at)
    }
    if (old.kind === 'record' && next.kind === 'record') this.#ofRecords(old, next)
    else if (old.kind === 'array' && next.kind === 'array') this.types(old.items, next.items)
    else if (old.kind === 'map' && next.kind === 'map') this.types(old.values, next.values)
    else if (old.kind === 'union' && next.kind === 'union') {
      this.#ofUnions(old.branches, next.branches, at)
    } else if (old.kind === 'enum' && next.kind === 'enum') {
      this.#ofSymbols(old.symbols, next.symbols, {
        at,
        hasDefault: next.defaultSymbol !== undefined,
      })
    } else if (old.kind === 'fixed' && next.kind === 'fixed' && old.sizeBytes !== next.sizeBytes) {
      this.#add('SIZE_CHANGED', at, `fixed of ${next.sizeBytes} bytes, was ${old.sizeBytes}`)
    }
  }

  #add(change: string, [oldPointer, newPointer]: Pair, sentence: string, danger?: string): void {
    const warning = danger === undefined ? {} : { danger }
    this.changes.push({ change, oldPointer, newPointer, sentence, ...warning })
  }

  #ofKinds(old: AvroSchema, next: AvroSchema, at: Pair): void {
    if (old.kind === 'union' || next.kind === 'union') {
      const [before, after] = [old, next].map((one) =>
        one.kind === 'union' ? one.branches : [one],
      )
      this.#ofUnions(before ?? [], after ?? [], at)
      return
    }
    const losesDigits =
      (old.kind === 'long' && (next.kind === 'float' || next.kind === 'double')) ||
      (old.kind === 'int' && next.kind === 'float')
    this.#add(
      'TYPE_CHANGED',
      at,
      `${next.kind}, was ${old.kind}`,
      losesDigits ? `large values of ${old.kind} lose digits as ${next.kind}` : undefined,
    )
  }

  #ofAnnotations(old: AvroSchema, next: AvroSchema, at: Pair): void {
    const [before, after] = [old, next].map(logicalText)
    if (before === after) return
    this.#add(
      'LOGICAL_TYPE_CHANGED',
      at,
      `${after ?? 'no logical type'}, was ${before ?? 'none'}`,
      'readers take the same number for another unit, scale or meaning',
    )
  }

  #ofNames(old: AvroSchema, next: AvroSchema, at: Pair): void {
    if (!isNamed(old) || !isNamed(next)) return
    const isMoved = old.name.namespace !== next.name.namespace
    const usesAliases = next.kind === 'record' && next.fields.some(({ aliases }) => aliases.length)
    this.#add(
      isMoved && old.name.name === next.name.name ? 'NAMESPACE_CHANGED' : 'NAME_CHANGED',
      at,
      `${next.name.fullName}, was ${old.name.fullName}`,
      isMoved && usesAliases
        ? "Avro's decoder in Java follows the aliases of fields only while the full name is the same"
        : undefined,
    )
  }

  #ofRecords(old: RecordSchema, next: RecordSchema): void {
    const matched = new Set<RecordField>()
    const oldIndexes = new Map(old.fields.map(({ name }, index) => [name, index]))
    const renames = new Renames(old, next)
    for (const field of next.fields) {
      const indexes = [field.name, ...field.aliases].flatMap((name) => oldIndexes.get(name) ?? [])
      const before = old.fields[Math.min(...indexes)]
      if (before === undefined) {
        this.#ofAddedField(field, { old, renamed: renames.of(field) })
        continue
      }
      matched.add(before)
      this.#ofFields(before, field)
    }
    for (const field of old.fields) {
      if (matched.has(field)) continue
      this.#add('FIELD_REMOVED', [field.pointer, next.pointer], `field "${field.name}"`)
    }
  }

  #ofAddedField(
    field: RecordField,
    { old, renamed }: { readonly old: RecordSchema; readonly renamed: RecordField | undefined },
  ): void {
    const isLoss = renamed !== undefined && field.defaultValue !== undefined
    this.#add(
      'FIELD_ADDED',
      [old.pointer, field.pointer],
      `field "${field.name}"`,
      isLoss
        ? `looks like "${renamed.name}" under another name: old data is read as the default; add the alias, unless the unit changed`
        : undefined,
    )
  }

  #ofFields(old: RecordField, next: RecordField): void {
    const at: Pair = [old.pointer, next.pointer]
    if (old.name !== next.name) {
      this.#add('FIELD_RENAMED', at, `"${next.name}", was "${old.name}"`)
    }
    const [before, after] = [old.defaultValue, next.defaultValue].map(defaultText)
    if (before !== after) {
      this.#add('DEFAULT_CHANGED', at, `default ${after ?? 'none'}, was ${before ?? 'none'}`)
    }
    this.types(old.type, next.type)
  }

  #ofUnions(old: readonly AvroSchema[], next: readonly AvroSchema[], at: Pair): void {
    const labelOf = (schema: AvroSchema): string =>
      isNamed(schema) ? schema.name.name : schema.kind
    // The first of several counts.
    const oldByLabel = new Map(old.toReversed().map((branch) => [labelOf(branch), branch]))
    const nextLabels = new Set(next.map(labelOf))
    for (const branch of next) {
      const before = oldByLabel.get(labelOf(branch))
      if (before === undefined) this.#add('BRANCH_ADDED', at, `branch ${labelOf(branch)}`)
      else this.types(before, branch)
    }
    for (const branch of old) {
      if (nextLabels.has(labelOf(branch))) continue
      this.#add('BRANCH_REMOVED', at, `branch ${labelOf(branch)}`)
    }
  }

  #ofSymbols(
    old: readonly string[],
    next: readonly string[],
    { at, hasDefault }: { readonly at: Pair; readonly hasDefault: boolean },
  ): void {
    const [oldSymbols, nextSymbols] = [new Set(old), new Set(next)]
    for (const symbol of next) {
      if (!oldSymbols.has(symbol)) this.#add('SYMBOL_ADDED', at, `symbol ${symbol}`)
    }
    for (const symbol of old) {
      if (nextSymbols.has(symbol)) continue
      const danger = hasDefault ? `${symbol} in old data is read as the default symbol` : undefined
      this.#add('SYMBOL_REMOVED', at, `symbol ${symbol}`, danger)
    }
  }
}

/** Fields that went, to be found under another name that means the same. */
class Renames {
  readonly #gone: ReadonlyMap<string, RecordField>

  constructor(old: RecordSchema, next: RecordSchema) {
    const kept = new Set(next.fields.flatMap(({ name, aliases }) => [name, ...aliases]))
    const gone = old.fields.filter(({ name }) => !kept.has(name))
    // The first of several counts.
    this.#gone = new Map(gone.toReversed().map((field) => [likenessOf(field), field]))
  }

  of(added: RecordField): RecordField | undefined {
    return this.#gone.get(likenessOf(added))
  }
}

function likenessOf({ name, type }: RecordField): string {
  return `${type.kind} ${stemOf(name)}`
}

function logicalText({ properties }: AvroSchema): string | undefined {
  const logicalType = properties.get('logicalType')
  if (logicalType?.kind !== 'string') return undefined
  const numbers = ['precision', 'scale'].flatMap((name) => {
    const value = properties.get(name)
    return value === undefined ? [] : [`${name} ${writeJson(value)}`]
  })
  return [logicalType.value, ...numbers].join(' ')
}

function defaultText(value: JsonValue | undefined): string | undefined {
  return value === undefined ? undefined : writeJson(value)
}

/** `amountCents`, `amount_cents` and `amountMillis` are called after the same thing. */
function stemOf(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split('_')
  return words.filter((word) => word !== '')[0] ?? name
}
