import type { Incompatibility, IncompatibilityType } from './incompatibility.ts'
import {
  type AvroSchema,
  type EnumSchema,
  type FixedSchema,
  type NamedSchema,
  type RecordField,
  type RecordSchema,
  type UnionSchema,
  isNamed,
} from './schema.ts'

/** Writer type → reader types it widens to (Avro 1.12, "Schema Resolution"). */
const PROMOTIONS: Readonly<Record<string, readonly string[]>> = {
  int: ['long', 'float', 'double'],
  long: ['float', 'double'],
  float: ['double'],
  string: ['bytes'],
  bytes: ['string'],
}

/** Deeper nesting of readers in readers cannot come from text within the bounds of the reader. */
const DEPTH_MAX = 2_000
/** Pairs of types: twice what schemas within the bounds of the parser have, unless they were made for it. */
const COMPARISONS_MAX = 400_000
/** Reasons beyond it add nothing that a person would read, and types that share types multiply them. */
const REASONS_MAX = 1_000
/** Of a pair of types that is met again. */
const REMEMBERED_REASONS_MAX = 100

/**
 * Every reason why `reader` cannot read what `writer` wrote; empty when it can. Decides as Avro's
 * `SchemaCompatibility` in Java, and Confluent with it: logical types, docs and the values of
 * defaults do not count, names match by their last part or by an alias of the reader.
 *
 * A pair of types that is met again while it is being compared is taken as compatible, which makes
 * recursive types terminate. Unlike Java's, a result that rests on such an assumption is forgotten
 * when the assumption fails.
 */
export function incompatibilities(reader: AvroSchema, writer: AvroSchema): Incompatibility[] {
  return new Comparison().compare(reader, writer, '')
}

class Comparison {
  /** Failures are final: an assumption can only make a pair look better than it is. */
  readonly #failed = new Map<AvroSchema, Map<AvroSchema, Incompatibility[]>>()
  /** Pairs under comparison, and pairs that passed under their assumption, in this order. */
  readonly #assumed: (readonly [AvroSchema, AvroSchema])[] = []
  readonly #isAssumed = new Map<AvroSchema, Set<AvroSchema>>()
  /** Fields of writers by name: a record may have tens of thousands. */
  readonly #fieldsByName = new Map<RecordSchema, ReadonlyMap<string, readonly RecordField[]>>()
  /** Branches of readers by what they may read: a union may have tens of thousands, too. */
  readonly #branchesByLikeness = new Map<UnionSchema, ReadonlyMap<string, readonly number[]>>()
  #depth = 0
  #comparisonCount = 0

  compare(reader: AvroSchema, writer: AvroSchema, path: string): Incompatibility[] {
    const failed = this.#failed.get(reader)?.get(writer)
    if (failed !== undefined) return failed
    if (this.#isAssumed.get(reader)?.has(writer)) return []

    this.#comparisonCount += 1
    if (this.#comparisonCount > COMPARISONS_MAX) {
      const detail = `more than ${COMPARISONS_MAX} pairs of types would have to be compared`
      return [reason('EXCEPTION', path, { reader, writer }, detail)]
    }
    const assumedBefore = this.#assumed.length
    this.#assume(reader, writer)
    this.#depth += 1
    const reasons =
      this.#depth > DEPTH_MAX
        ? [reason('EXCEPTION', path, { reader, writer }, `types nest deeper than ${DEPTH_MAX}`)]
        : this.#compareUnseen(reader, writer, path)
    this.#depth -= 1
    if (reasons.length > 0) {
      this.#forget(assumedBefore)
      this.#fail(reader, writer, reasons)
    }
    return reasons
  }

  #compareUnseen(reader: AvroSchema, writer: AvroSchema, path: string): Incompatibility[] {
    if (writer.kind === 'union') return this.#ofWriterUnion(reader, writer, path)
    if (reader.kind === 'union') return this.#ofReaderUnion(reader, writer, path)
    if (reader.kind === 'record' && writer.kind === 'record') {
      return this.#ofRecord(reader, writer, path)
    }
    if (reader.kind === 'enum' && writer.kind === 'enum') return ofEnum(reader, writer, path)
    if (reader.kind === 'fixed' && writer.kind === 'fixed') return ofFixed(reader, writer, path)
    if (reader.kind === 'array' && writer.kind === 'array') {
      return this.compare(reader.items, writer.items, `${path}/items`)
    }
    if (reader.kind === 'map' && writer.kind === 'map') {
      return this.compare(reader.values, writer.values, `${path}/values`)
    }
    if (reader.kind === writer.kind || PROMOTIONS[writer.kind]?.includes(reader.kind)) return []
    const detail = `reader type: ${typeName(reader)} not compatible with writer type: ${typeName(writer)}`
    return [reason('TYPE_MISMATCH', path, { reader, writer }, detail)]
  }

  /** The data may hold any branch: the reader must read each. */
  #ofWriterUnion(reader: AvroSchema, writer: UnionSchema, path: string): Incompatibility[] {
    return bounded(writer.branches, (branch, index) =>
      this.compare(reader, branch, `${path}/${index}`),
    )
  }

  #ofReaderUnion(reader: UnionSchema, writer: AvroSchema, path: string): Incompatibility[] {
    // Java starts a new path here, and drops the reasons of the branches altogether.
    let causes: readonly Incompatibility[] = []
    let hasClosest = false
    for (const branch of this.#branchesLike(writer, reader)) {
      const reasons = this.compare(branch, writer, '')
      if (reasons.length === 0) return []
      if (hasClosest || !isSameType(branch, writer)) continue
      hasClosest = true
      causes = reasons
    }
    const detail = `reader union lacking writer type: ${typeName(writer)}`
    return [{ ...reason('MISSING_UNION_BRANCH', path, { reader, writer }, detail), causes }]
  }

  /** The branches that may read it, in order; all others have another kind or name. */
  #branchesLike(writer: AvroSchema, reader: UnionSchema): AvroSchema[] {
    let byLikeness = this.#branchesByLikeness.get(reader)
    if (byLikeness === undefined) {
      byLikeness = branchesByLikeness(reader)
      this.#branchesByLikeness.set(reader, byLikeness)
    }
    const wanted = isNamed(writer)
      ? [`${writer.kind} ${writer.name.name}`, `${writer.kind} alias ${writer.name.fullName}`]
      : [writer.kind, ...(PROMOTIONS[writer.kind] ?? [])]
    const indexes = new Set(wanted.flatMap((likeness) => byLikeness.get(likeness) ?? []))
    return [...indexes].sort((a, b) => a - b).flatMap((index) => reader.branches[index] ?? [])
  }

  #ofRecord(reader: RecordSchema, writer: RecordSchema, path: string): Incompatibility[] {
    const ofFields = bounded(reader.fields, (field, index) =>
      this.#ofField(field, { reader, writer }, `${path}/fields/${index}`),
    )
    return [...ofName(reader, writer, path), ...ofFields].slice(0, REASONS_MAX)
  }

  #ofField(
    field: RecordField,
    { reader, writer }: { readonly reader: RecordSchema; readonly writer: RecordSchema },
    path: string,
  ): Incompatibility[] {
    const written = this.#writtenFields(field, writer)
    const [match] = written
    if (written.length > 1) {
      const names = written.map(({ name }) => name).join(', ')
      const detail = `Reader record field ${field.name} matches multiple fields in writer record schema ${names}`
      return [
        { ...reason('EXCEPTION', path, { reader, writer }, detail), readerPointer: field.pointer },
      ]
    }
    if (match !== undefined) return this.compare(field.type, match.type, `${path}/type`)
    if (field.defaultValue !== undefined) return []
    // Java compares such an enum with the writer's whole record: never compatible, but reported as
    // a mismatch of types. The default of an enum is not the default of a field.
    if (field.type.kind === 'enum' && field.type.defaultSymbol !== undefined) {
      return this.compare(field.type, writer, `${path}/type`)
    }
    const missing = reason(
      'READER_FIELD_MISSING_DEFAULT_VALUE',
      path,
      { reader, writer },
      field.name,
    )
    return [{ ...missing, readerPointer: field.pointer }]
  }

  #writtenFields(field: RecordField, writer: RecordSchema): RecordField[] {
    let byName = this.#fieldsByName.get(writer)
    if (byName === undefined) {
      byName = Map.groupBy(writer.fields, ({ name }) => name)
      this.#fieldsByName.set(writer, byName)
    }
    // An alias that repeats the field's own name counts a second time, as in Java.
    return [field.name, ...field.aliases].flatMap((name) => byName.get(name) ?? [])
  }

  #assume(reader: AvroSchema, writer: AvroSchema): void {
    let writers = this.#isAssumed.get(reader)
    if (writers === undefined) this.#isAssumed.set(reader, (writers = new Set()))
    writers.add(writer)
    this.#assumed.push([reader, writer])
  }

  /** What passed since then may rest on the assumption that has just failed. */
  #forget(assumedBefore: number): void {
    for (const [reader, writer] of this.#assumed.splice(assumedBefore)) {
      this.#isAssumed.get(reader)?.delete(writer)
    }
  }

  #fail(reader: AvroSchema, writer: AvroSchema, reasons: Incompatibility[]): void {
    let writers = this.#failed.get(reader)
    if (writers === undefined) this.#failed.set(reader, (writers = new Map()))
    writers.set(writer, reasons.slice(0, REMEMBERED_REASONS_MAX))
  }
}

/** The reasons of all parts, of as many as it takes for {@link REASONS_MAX}. */
function bounded<Part>(
  parts: readonly Part[],
  reasonsOf: (part: Part, index: number) => readonly Incompatibility[],
): Incompatibility[] {
  const reasons: Incompatibility[] = []
  for (const [index, part] of parts.entries()) {
    reasons.push(...reasonsOf(part, index))
    if (reasons.length >= REASONS_MAX) return reasons.slice(0, REASONS_MAX)
  }
  return reasons
}

function branchesByLikeness({ branches }: UnionSchema): ReadonlyMap<string, readonly number[]> {
  const indexes = new Map<string, number[]>()
  for (const [index, branch] of branches.entries()) {
    const likenesses = isNamed(branch)
      ? [
          `${branch.kind} ${branch.name.name}`,
          ...branch.aliases.map(({ fullName }) => `${branch.kind} alias ${fullName}`),
        ]
      : [branch.kind]
    for (const likeness of likenesses) {
      const all = indexes.get(likeness)
      if (all === undefined) indexes.set(likeness, [index])
      else all.push(index)
    }
  }
  return indexes
}

function ofName(reader: NamedSchema, writer: NamedSchema, path: string): Incompatibility[] {
  if (isSameName(reader, writer)) return []
  const detail = `expected: ${writer.name.fullName}`
  return [inside(reason('NAME_MISMATCH', `${path}/name`, { reader, writer }, detail), 'name')]
}

function ofEnum(reader: EnumSchema, writer: EnumSchema, path: string): Incompatibility[] {
  const ofItsName = ofName(reader, writer, path)
  const known = new Set(reader.symbols)
  const missing = writer.symbols.filter((symbol) => !known.has(symbol)).sort()
  if (missing.length === 0 || reader.defaultSymbol !== undefined) return ofItsName
  const detail = `[${missing.join(', ')}]`
  const ofSymbols = reason('MISSING_ENUM_SYMBOLS', `${path}/symbols`, { reader, writer }, detail)
  return [...ofItsName, inside(ofSymbols, 'symbols')]
}

function ofFixed(reader: FixedSchema, writer: FixedSchema, path: string): Incompatibility[] {
  const ofItsName = ofName(reader, writer, path)
  if (reader.sizeBytes === writer.sizeBytes) return ofItsName
  const detail = `expected: ${writer.sizeBytes}, found: ${reader.sizeBytes}`
  const ofSize = reason('FIXED_SIZE_MISMATCH', `${path}/size`, { reader, writer }, detail)
  return [...ofItsName, inside(ofSize, 'size')]
}

/** Namespaces do not count, and a writer's aliases never help. */
export function isSameName(reader: NamedSchema, writer: NamedSchema): boolean {
  return (
    reader.name.name === writer.name.name ||
    reader.aliases.some(({ fullName }) => fullName === writer.name.fullName)
  )
}

function isSameType(branch: AvroSchema, writer: AvroSchema): boolean {
  if (branch.kind !== writer.kind) return false
  return isNamed(branch) && isNamed(writer) ? isSameName(branch, writer) : true
}

function reason(
  type: IncompatibilityType,
  path: string,
  { reader, writer }: { readonly reader: AvroSchema; readonly writer: AvroSchema },
  detail: string,
): Incompatibility {
  return {
    type,
    path: path === '' ? '/' : path,
    readerPointer: reader.pointer,
    writerPointer: writer.pointer,
    detail,
    reader,
    writer,
    causes: [],
  }
}

/** Points at one attribute of both definitions. */
function inside(reason: Incompatibility, attribute: string): Incompatibility {
  return {
    ...reason,
    readerPointer: `${reason.readerPointer}/${attribute}`,
    writerPointer: `${reason.writerPointer}/${attribute}`,
  }
}

function typeName(schema: AvroSchema): string {
  return schema.kind.toUpperCase()
}
