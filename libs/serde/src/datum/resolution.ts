import { DecodeError, invariant } from '@fairlead/base'
import {
  type AvroSchema,
  type Datum,
  type EnumSchema,
  type RecordField,
  type RecordSchema,
  type UnionSchema,
  defaultDatum,
  fits,
} from '@fairlead/avro'
import type { AvscField, AvscRecord, AvscSchema, BranchValue } from './avsc-types.ts'
import {
  type Convert,
  type Member,
  bytesOf,
  entriesConvert,
  itemsConvert,
  numberConvert,
  primitiveConvert,
  recordConvert,
} from './convert.ts'
import { branchFor, checkPair } from './resolution-check.ts'
import { safeName } from './safe-name.ts'

/** A writer's and a reader's type, as schemas from which avsc resolves the one to the other. */
export type Resolved = {
  readonly writer: AvscSchema
  readonly reader: AvscSchema
  readonly convert: Convert
}

/**
 * Writes a pair of schemas for avsc's resolver, such that nothing is left for it to judge.
 *
 * `incompatibilities` decides what a reader can read, and takes more than avsc: another namespace,
 * fields under aliases, defaults of any branch. So every pair of types that belong together gets a
 * name of its own in both schemas, a writer's field the name of the reader's, and a union the branches
 * of the writer: avsc would take the first branch of the reader that may do, and read bytes as a
 * string for that. A map is an array of entries, which is encoded as a map: avsc would make a key
 * `__proto__` the prototype of the map.
 *
 * A branch of the writer, or a symbol, that the reader cannot read fails only when it comes (Avro
 * 1.12, "Schema Resolution"): a reader in need of a value takes the nullable one while it is there.
 *
 * Invariant: with the same schema as writer and reader both results are the same but for their
 * identity, so the reader's alone encodes and decodes.
 */
export class Resolution {
  readonly #records = new Map<RecordSchema, Map<RecordSchema, Resolved>>()
  /** Pairs in `#records`, in the order in which they were begun. */
  readonly #begun: (readonly [writer: RecordSchema, reader: RecordSchema])[] = []
  #nameCount = 0

  /** @throws {DecodeError} when the reader can read nothing of what the writer writes. */
  resolve(writer: AvroSchema, reader: AvroSchema): Resolved {
    if (writer.kind === 'union') return this.#writerUnion(writer, reader)
    if (reader.kind === 'union') return this.resolve(writer, branchFor(writer, reader))
    if (writer !== reader) checkPair(writer, reader)
    if (writer.kind === 'record' && reader.kind === 'record') return this.#record(writer, reader)
    if (writer.kind === 'array' && reader.kind === 'array') {
      return this.#array(writer.items, reader.items)
    }
    if (writer.kind === 'map' && reader.kind === 'map') {
      return this.#map(writer.values, reader.values)
    }
    if (writer.kind === 'enum' && reader.kind === 'enum') return this.#enum(writer, reader)
    if (writer.kind === 'fixed') {
      const fixed = { type: 'fixed', name: this.#newName(), size: writer.sizeBytes } as const
      return { writer: fixed, reader: fixed, convert: bytesOf }
    }
    const widening = numberConvert(writer.kind, reader.kind)
    // avsc reads longs beyond 2^53 as other numbers there, negative ones as positive.
    if (widening !== undefined) {
      return { writer: writer.kind, reader: writer.kind, convert: widening }
    }
    return { writer: writer.kind, reader: reader.kind, convert: primitiveConvert(reader) }
  }

  #writerUnion(writer: UnionSchema, reader: AvroSchema): Resolved {
    if (writer.branches.length === 0) return this.#nothing('an empty union has no value')
    const branches = writer.branches.map((branch) =>
      writer === reader ? this.resolve(branch, branch) : this.#branch(branch, reader),
    )
    const convertNull = branches[writer.branches.findIndex(({ kind }) => kind === 'null')]?.convert
    const converts = branches.map(({ convert }) => convert)
    const convert = (given: unknown): Datum => {
      if (given === null) return convertNull === undefined ? null : convertNull(null)
      const { index, value } = given as BranchValue
      const convertValue = converts[index]
      return convertValue === undefined ? value : convertValue(value)
    }
    return {
      writer: branches.map((branch) => branch.writer),
      reader: branches.map((branch) => branch.reader),
      convert,
    }
  }

  #branch(branch: AvroSchema, reader: AvroSchema): Resolved {
    const begunBefore = this.#begun.length
    try {
      return this.resolve(branch, reader)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      // What was begun since then may hold the pair that has just failed.
      for (const [writer, pairedWith] of this.#begun.splice(begunBefore)) {
        this.#records.get(writer)?.delete(pairedWith)
      }
      const convert = (): never => {
        throw error
      }
      return { ...this.resolve(branch, branch), convert }
    }
  }

  #record(writer: RecordSchema, reader: RecordSchema): Resolved {
    let ofReaders = this.#records.get(writer)
    if (ofReaders === undefined) this.#records.set(writer, (ofReaders = new Map()))
    const known = ofReaders.get(reader)
    if (known !== undefined) return known

    // A recursive type finds itself below, while its fields are still being added.
    const name = this.#newName()
    const written: AvscRecord = { type: 'record', name, fields: [] }
    const read: AvscRecord = { type: 'record', name, fields: [] }
    const members: Member[] = []
    const convert = recordConvert(reader, members)
    const resolved = { writer: written, reader: read, convert }
    ofReaders.set(reader, resolved)
    this.#begun.push([writer, reader])

    const writtenFields = new Map<RecordField, AvscField>()
    for (const field of reader.fields) {
      const source = sourceOf(field, writer, reader)
      const { readField, convertField } =
        source === undefined
          ? defaultField(field, reader)
          : this.#field(source, field, writtenFields)
      read.fields.push(readField)
      if (convertField !== undefined) members.push({ name: field.name, convert: convertField })
    }
    for (const [index, field] of writer.fields.entries()) {
      written.fields.push(writtenFields.get(field) ?? this.#unreadField(field, index, reader))
    }
    return resolved
  }

  /** Adds the writer's field, under the name of the first field of the reader that reads it. */
  #field(
    source: RecordField,
    field: RecordField,
    writtenFields: Map<RecordField, AvscField>,
  ): ReadField {
    const name = safeName(field.name)
    const { writer, reader, convert } = this.resolve(source.type, field.type)
    const first = writtenFields.get(source)
    const aliases = first === undefined ? [] : [first.name]
    if (first === undefined) writtenFields.set(source, { name, type: writer })
    return { readField: { name, type: reader, aliases }, convertField: convert }
  }

  #unreadField({ type }: RecordField, index: number, reader: RecordSchema): AvscField {
    let name = `unread_${index}`
    while (reader.fields.some((field) => field.name === name)) name = `${name}_`
    return { name, type: this.resolve(type, type).writer }
  }

  #array(writer: AvroSchema, reader: AvroSchema): Resolved {
    const items = this.resolve(writer, reader)
    return {
      writer: { type: 'array', items: items.writer },
      reader: { type: 'array', items: items.reader },
      convert: itemsConvert(items.convert),
    }
  }

  #map(writer: AvroSchema, reader: AvroSchema): Resolved {
    const values = this.resolve(writer, reader)
    const name = this.#newName()
    const entries = (type: AvscSchema): AvscSchema => ({
      type: 'array',
      items: {
        type: 'record',
        name,
        fields: [
          { name: 'key', type: 'string' },
          { name: 'value', type },
        ],
      },
    })
    return {
      writer: entries(values.writer),
      reader: entries(values.reader),
      convert: entriesConvert(values.convert),
    }
  }

  /** Symbols that the reader lacks are its default. */
  #enum(writer: EnumSchema, reader: EnumSchema): Resolved {
    if (writer.symbols.length === 0) return this.#nothing('an empty enum has no value')
    const name = this.#newName()
    const symbols = writer.symbols.map(safeName)
    const type = { type: 'enum', name, symbols } as const
    const targets = new Map(
      writer.symbols.map((symbol) => [
        safeName(symbol),
        reader.symbols.includes(symbol) ? symbol : reader.defaultSymbol,
      ]),
    )
    const isSame = [...targets].every(([symbol, target]) => symbol === target)
    const convert = (symbol: unknown): Datum => {
      const target = targets.get(symbol as string)
      if (target !== undefined) return target
      throw new DecodeError(`the reader has no symbol ${String(symbol)} and no default`, 0)
    }
    return { writer: type, reader: type, convert: isSame ? undefined : convert }
  }

  /** A type without values. avsc has none; the data can hold it in an empty array only. */
  #nothing(message: string): Resolved {
    const type = { type: 'enum', name: this.#newName(), symbols: ['none'] } as const
    const convert = (): never => {
      throw new DecodeError(message, 0)
    }
    return { writer: type, reader: type, convert }
  }

  #newName(): string {
    this.#nameCount += 1
    return `T${this.#nameCount}`
  }
}

type ReadField = { readonly readField: AvscField; readonly convertField: Convert }

function sourceOf(
  field: RecordField,
  writer: RecordSchema,
  reader: RecordSchema,
): RecordField | undefined {
  const named = writer.fields.find(({ name }) => name === field.name)
  // A record reads its own fields by name, also where an alias is the name of another one.
  if (named !== undefined || writer === reader) return named
  return writer.fields.find(({ name }) => field.aliases.includes(name))
}

/** The record keeps the place of a field that was not written; its value is set afterwards. */
function defaultField({ name, type, defaultValue }: RecordField, reader: RecordSchema): ReadField {
  invariant(defaultValue !== undefined, 'a field that was not written has a default')
  if (!fits(type, defaultDatum(type, defaultValue))) {
    throw new DecodeError(`the default of ${reader.name.fullName}.${name} does not fit its type`, 0)
  }
  return {
    readField: { name: safeName(name), type: 'null', default: null },
    // Each value has its own, so that no two of them share an object.
    convertField: () => defaultDatum(type, defaultValue),
  }
}
