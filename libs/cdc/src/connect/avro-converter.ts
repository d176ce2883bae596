import type { ConnectSchema, ConnectValue } from './connect-schema.ts'
import { isMap } from './json-converter.ts'

/** A value in Avro, and the text of its schema, whose id goes before it. */
export type AvroDatum = { readonly schema: string; readonly bytes: Uint8Array }

const TYPE_NAMES: Readonly<Record<ConnectSchema['type'], string>> = {
  boolean: 'boolean',
  int16: 'int',
  int32: 'int',
  int64: 'long',
  float32: 'float',
  float64: 'double',
  string: 'string',
  bytes: 'bytes',
  array: 'array',
  map: 'map',
  struct: 'record',
}
const DECIMAL = 'org.apache.kafka.connect.data.Decimal'
/** What Confluent's converter calls a struct without a name. */
const DEFAULT_NAMESPACE = 'io.confluent.connect.avro'
const DEFAULT_NAME = 'ConnectDefault'
const DECIMAL_PRECISION_DEFAULT = 64

/** Schemas are few, and their objects live as long as the definition of a table. */
const SCHEMA_TEXTS = new WeakMap<ConnectSchema, string>()

/**
 * What `io.confluent.connect.avro.AvroConverter` writes behind the schema's id: Connect's schema as
 * an Avro schema with `connect.*` properties, an optional value as a union with null.
 */
export function toConnectAvro(schema: ConnectSchema, value: ConnectValue): AvroDatum {
  const writer = new AvroWriter()
  write(writer, schema, value)
  return { schema: schemaText(schema), bytes: writer.done() }
}

function schemaText(schema: ConnectSchema): string {
  const known = SCHEMA_TEXTS.get(schema)
  if (known !== undefined) return known
  const text = JSON.stringify(avroType(schema, new Set()))
  SCHEMA_TEXTS.set(schema, text)
  return text
}

/** A record that was defined before is named only. */
function avroType(schema: ConnectSchema, defined: Set<string>): unknown {
  const type = avroBaseType(schema, defined)
  if (!schema.isOptional) return type
  // The branch of the default comes first.
  return hasDefault(schema) ? [type, 'null'] : ['null', type]
}

function avroBaseType(schema: ConnectSchema, defined: Set<string>): unknown {
  const { type, name, fields = [], items } = schema
  const { namespace, shortName } = recordName(name)
  const fullName = `${namespace}.${shortName}`
  if (type === 'struct' && defined.has(fullName)) return fullName
  if (type === 'struct') defined.add(fullName)
  const properties = {
    ...(type === 'struct' && {
      name: shortName,
      ...(namespace !== '' && { namespace }),
      fields: fields.map((field) => avroField(field.name, field.schema, defined)),
    }),
    ...(type === 'array' && items !== undefined && { items: avroType(items, defined) }),
    ...(type === 'map' && items !== undefined && { values: avroType(items, defined) }),
    ...(type === 'int16' && { 'connect.type': 'int16' }),
    ...connectProperties(schema),
  }
  const typeName = TYPE_NAMES[type]
  return Object.keys(properties).length === 0 ? typeName : { type: typeName, ...properties }
}

function connectProperties(schema: ConnectSchema): Readonly<Record<string, unknown>> {
  const { name, version, doc, parameters, defaultValue = null } = schema
  const isDecimal = name === DECIMAL
  return {
    ...(isDecimal && {
      scale: Number(parameters?.['scale'] ?? 0),
      precision: Number(parameters?.['connect.decimal.precision'] ?? DECIMAL_PRECISION_DEFAULT),
    }),
    ...(doc !== undefined && { 'connect.doc': doc }),
    ...(version !== undefined && { 'connect.version': version }),
    ...(parameters !== undefined && { 'connect.parameters': parameters }),
    ...(defaultValue !== null && { 'connect.default': defaultJson(schema, defaultValue) }),
    ...(name !== undefined && { 'connect.name': name }),
    ...(isDecimal && { logicalType: 'decimal' }),
  }
}

function avroField(name: string, schema: ConnectSchema, defined: Set<string>): object {
  const { defaultValue = null } = schema
  const type = avroType(schema, defined)
  if (defaultValue !== null) return { name, type, default: defaultJson(schema, defaultValue) }
  return schema.isOptional ? { name, type, default: null } : { name, type }
}

function hasDefault({ defaultValue = null }: ConnectSchema): boolean {
  return defaultValue !== null
}

/** Avro 1.12: bytes as text of the characters up to U+00FF. */
function defaultJson(schema: ConnectSchema, value: ConnectValue): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint8Array) return String.fromCharCode(...value)
  return schema.type === 'struct' || schema.type === 'array' ? [] : value
}

function recordName(name: string | undefined): { namespace: string; shortName: string } {
  if (name === undefined) return { namespace: DEFAULT_NAMESPACE, shortName: DEFAULT_NAME }
  const dot = name.lastIndexOf('.')
  return { namespace: dot < 0 ? '' : name.slice(0, dot), shortName: name.slice(dot + 1) }
}

function write(writer: AvroWriter, schema: ConnectSchema, given: ConnectValue): void {
  const { isOptional, defaultValue = null } = schema
  const value = given ?? defaultValue
  if (isOptional) {
    const isFirst = hasDefault(schema) ? value !== null : value === null
    writer.long(isFirst ? 0n : 1n)
    if (value === null) return
  }
  writeValue(writer, schema, value)
}

function writeValue(writer: AvroWriter, schema: ConnectSchema, value: ConnectValue): void {
  const { type, fields = [], items = schema } = schema
  if (typeof value === 'boolean') writer.boolean(value)
  else if (typeof value === 'bigint') writer.long(value)
  else if (typeof value === 'number') writeNumber(writer, type, value)
  else if (typeof value === 'string') writer.text(value)
  else if (value instanceof Uint8Array) writer.bytes(value)
  else if (value === null) return
  else if (isMap(value)) {
    writer.block(value.size, () => {
      for (const [key, member] of value) {
        writer.text(key)
        write(writer, items, member)
      }
    })
  } else if (type === 'struct') {
    for (const [index, field] of fields.entries()) {
      write(writer, field.schema, value[index] ?? null)
    }
  } else {
    writer.block(value.length, () => {
      for (const item of value) write(writer, items, item ?? null)
    })
  }
}

function writeNumber(writer: AvroWriter, type: ConnectSchema['type'], value: number): void {
  if (type === 'float32') writer.float(value)
  else if (type === 'float64') writer.double(value)
  else writer.long(BigInt(value))
}

const INITIAL_BYTES = 256

/** Avro's binary encoding. */
class AvroWriter {
  readonly #text = new TextEncoder()
  #bytes = new Uint8Array(INITIAL_BYTES)
  #length = 0

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  boolean(value: boolean): void {
    this.#push(Uint8Array.of(value ? 1 : 0))
  }

  /** Zigzag varint; an int is written alike. */
  long(value: bigint): void {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    const digits: number[] = []
    while (rest > 0x7fn) {
      digits.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    this.#push(Uint8Array.of(...digits, Number(rest)))
  }

  float(value: number): void {
    const view = new DataView(new ArrayBuffer(4))
    view.setFloat32(0, value, true)
    this.#push(new Uint8Array(view.buffer))
  }

  double(value: number): void {
    const view = new DataView(new ArrayBuffer(8))
    view.setFloat64(0, value, true)
    this.#push(new Uint8Array(view.buffer))
  }

  bytes(bytes: Uint8Array): void {
    this.long(BigInt(bytes.length))
    this.#push(bytes)
  }

  text(text: string): void {
    this.bytes(this.#text.encode(text))
  }

  /** An array or a map: one block of all, and the end. */
  block(count: number, writeItems: () => void): void {
    if (count > 0) {
      this.long(BigInt(count))
      writeItems()
    }
    this.long(0n)
  }

  #push(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    this.#bytes.set(bytes, this.#length)
    this.#length = needed
  }
}
