import { DecodeError, invariant } from '@fairlead/base'
import avsc from 'avsc'

/**
 * A schema as avsc takes it, made by `resolution.ts`. A named type that is used again is the same
 * object again, so a recursive schema is a cyclic graph.
 */
export type AvscSchema =
  | string
  | readonly AvscSchema[]
  | { readonly type: 'array'; readonly items: AvscSchema }
  | { readonly type: 'enum'; readonly name: string; readonly symbols: readonly string[] }
  | { readonly type: 'fixed'; readonly name: string; readonly size: number }
  | AvscRecord

export type AvscRecord = {
  readonly type: 'record'
  readonly name: string
  readonly fields: AvscField[]
}

export type AvscField = {
  readonly name: string
  readonly type: AvscSchema
  readonly aliases?: readonly string[]
  readonly default?: null
}

/** Items that take no bytes, in one payload: they cost a sender nothing. */
const EMPTY_ITEMS_MAX = 1_000_000

/** A value of a union, but for null, with its branch: avsc would guess that from the value. */
export type BranchValue = { readonly index: number; readonly value: unknown }

/** Compiles a schema. */
export function avscTypeOf(schema: AvscSchema): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, {
    omitRecordMethods: true,
    registry: Object.create(null) as Record<string, avsc.Type>,
    typeHook,
  })
}

function typeHook(schema: unknown, options: { registry: Record<string, avsc.Type> }) {
  if (schema === 'int') return INT
  if (schema === 'long') return LONG
  if (Array.isArray(schema)) return new BranchesType(schema as readonly avsc.Schema[], options)
  if (typeof schema !== 'object' || schema === null) return undefined
  if ('name' in schema) return options.registry[String(schema.name)]
  if ('items' in schema) return new BoundedArrayType(schema as avsc.Schema, options)
  return undefined
}

/**
 * The reader of avsc's types, which avsc does not declare. It never fails at the end of the bytes:
 * it reads zeros and goes on counting, and only the caller of `decode` learns of it. Hence the two
 * types below that check what they read; the version of avsc is pinned for their sake.
 */
type Tap = {
  readonly buf: Uint8Array
  readonly pos: number
  readLong(): number
  skipLong(): void
  writeLong(value: number): void
}
type TapType = {
  _read(tap: Tap): unknown
  _skip(tap: Tap): void
  _write(tap: Tap, value: unknown): void
}
type TapResolver = Pick<TapType, '_read'>

class Int32Type extends avsc.types.IntType {
  _read(tap: Tap): number {
    const value = tap.readLong()
    if ((value | 0) !== value) throw new DecodeError('an int is beyond 32 bits', tap.pos)
    return value
  }
}

/**
 * A union whose branches may be any types: avsc's own wants each to have another name, and compares each branch of
 * a reader with each of the writer. Here those with one index belong together.
 */
class BranchesType extends avsc.Type {
  override readonly typeName = 'branches'
  readonly #branches: readonly avsc.Type[]
  readonly #nullIndex: number

  constructor(schemas: readonly avsc.Schema[], options: object) {
    super()
    this.#branches = schemas.map((schema) => avsc.Type.forSchema(schema, options))
    this.#nullIndex = schemas.indexOf('null')
  }

  _read(tap: Tap): BranchValue | null {
    const index = tap.readLong()
    const value = branchAt(this.#branches, index, tap)._read(tap)
    return index === this.#nullIndex ? null : { index, value }
  }

  _skip(tap: Tap): void {
    branchAt(this.#branches, tap.readLong(), tap)._skip(tap)
  }

  _write(tap: Tap, given: BranchValue | null): void {
    const { index, value } = given ?? { index: this.#nullIndex, value: null }
    tap.writeLong(index)
    branchAt(this.#branches, index, tap)._write(tap, value)
  }

  /** How a reader of avsc's gets at what a writer has written. */
  _update(resolver: TapResolver, writer: avsc.Type, options: object): void {
    invariant(writer instanceof BranchesType, 'a union has the branches of its writer')
    const branches = this.#branches.map((branch, index) => {
      const written = writer.#branches[index]
      invariant(written !== undefined, 'a union has the branches of its writer')
      return branch.createResolver(written, options)
    })
    resolver._read = (tap) => {
      const index = tap.readLong()
      const value = branchAt(branches, index, tap)._read(tap)
      return index === this.#nullIndex ? null : { index, value }
    }
  }
}

function branchAt(branches: readonly object[], index: number, { pos }: Tap): TapType {
  const branch = branches[index]
  if (branch === undefined) throw new DecodeError('no such branch of a union', pos)
  return branch as TapType
}

/** Items that took no bytes, by payload. */
const emptyItemCounts = new WeakMap<Tap, number>()

/**
 * An array that believes no count. avsc's own allocates what the count says, reads on behind the
 * end of the bytes, and skips a block backwards when its size is negative.
 */
class BoundedArrayType extends avsc.types.ArrayType {
  _read(tap: Tap): unknown[] {
    const items: unknown[] = []
    const itemType = this.itemsType as unknown as TapType
    forEachItem(tap, () => items.push(itemType._read(tap)))
    return items
  }

  _skip(tap: Tap): void {
    const itemType = this.itemsType as unknown as TapType
    forEachItem(tap, () => itemType._skip(tap))
  }
}

/** Blocks of a count and so many items, until a count of 0; a negative count has its size behind it. */
function forEachItem(tap: Tap, readItem: () => void): void {
  for (;;) {
    let count = tap.readLong()
    if (count === 0) return
    if (!Number.isSafeInteger(count)) throw new DecodeError('no such count of items', tap.pos)
    if (count < 0) {
      count = -count
      tap.skipLong()
    }
    for (let index = 0; index < count; index += 1) {
      const { pos } = tap
      readItem()
      // An endless varint as a length makes the position NaN, which is not behind the end either.
      if (!(tap.pos <= tap.buf.length)) throw new DecodeError('the bytes end within a value', pos)
      if (tap.pos === pos) countEmptyItem(tap)
    }
  }
}

function countEmptyItem(tap: Tap): void {
  const count = (emptyItemCounts.get(tap) ?? 0) + 1
  if (count > EMPTY_ITEMS_MAX) {
    throw new DecodeError(`more than ${EMPTY_ITEMS_MAX} items without bytes`, tap.pos)
  }
  emptyItemCounts.set(tap, count)
}

const INT = new Int32Type()

/** All 64 bits, as bigint. */
const LONG = withShortLongs(
  avsc.types.LongType.__with({
    fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const bytes = Buffer.allocUnsafe(8)
      bytes.writeBigInt64LE(value)
      return bytes
    },
    fromJSON: BigInt,
    toJSON: String,
    isValid: (value: unknown) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
    compare: (left: bigint, right: bigint) => (left < right ? -1 : Number(left > right)),
  }),
)

/** Seven bits each: as many as a double holds for sure. */
const SHORT_LONG_BYTES_MAX = 7
/** The last one of them has one bit, of 64. */
const LONG_BYTES_MAX = 10

/**
 * Reads a long of few bytes as a number first. avsc would unpack each into a buffer of eight bytes, for
 * one bigint: longs are the slowest of all types then, and most are amounts, counts or times. Of one
 * with too many bytes it would drop the upper bits.
 */
function withShortLongs(type: avsc.Type): avsc.Type {
  const any = type as unknown as TapType
  const read = (tap: Tap): unknown => {
    let end = tap.pos
    const limit = end + SHORT_LONG_BYTES_MAX
    while (end < limit && (tap.buf[end] as number) & 0x80) end += 1
    if (end < limit) return BigInt(tap.readLong())
    const last = tap.pos + LONG_BYTES_MAX - 1
    while (end < last && (tap.buf[end] as number) & 0x80) end += 1
    if (end === last && (tap.buf[end] as number) > 1) {
      throw new DecodeError('a long is beyond 64 bits', tap.pos)
    }
    return any._read(tap)
  }
  // avsc freezes its types.
  return Object.create(type, { _read: { value: read } }) as avsc.Type
}
