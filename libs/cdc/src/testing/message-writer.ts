/** Writes pgoutput messages for tests, field by field as PostgreSQL documents them. */
export class MessageWriter {
  readonly #bytes: number[] = []

  tag(letter: string): this {
    return this.uint8(letter.charCodeAt(0))
  }

  uint8(value: number): this {
    this.#bytes.push(value & 0xff)
    return this
  }

  uint16(value: number): this {
    return this.uint8(value >>> 8).uint8(value)
  }

  uint32(value: number): this {
    return this.uint16(value >>> 16).uint16(value & 0xffff)
  }

  uint64(value: bigint): this {
    return this.uint32(Number(value >> 32n)).uint32(Number(value & 0xffff_ffffn))
  }

  string(text: string): this {
    return this.bytes(new TextEncoder().encode(text)).uint8(0)
  }

  bytes(bytes: Uint8Array): this {
    this.#bytes.push(...bytes)
    return this
  }

  tuple(values: readonly (string | null | undefined)[]): this {
    this.uint16(values.length)
    for (const value of values) {
      if (value === null) this.tag('n')
      else if (value === undefined) this.tag('u')
      else {
        const bytes = new TextEncoder().encode(value)
        this.tag('t').uint32(bytes.length).bytes(bytes)
      }
    }
    return this
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

export type TestColumn = {
  readonly name: string
  readonly typeOid?: number
  readonly isKey?: boolean
}

const TEXT_OID = 25

export const messages = {
  begin: (commitLsn: bigint, xid = 1): Uint8Array =>
    new MessageWriter().tag('B').uint64(commitLsn).uint64(0n).uint32(xid).done(),
  commit: (commitLsn: bigint, endLsn: bigint): Uint8Array =>
    new MessageWriter().tag('C').uint8(0).uint64(commitLsn).uint64(endLsn).uint64(0n).done(),
  relation: (
    oid: number,
    schema: string,
    table: string,
    columns: readonly TestColumn[],
  ): Uint8Array => {
    const writer = new MessageWriter().tag('R').uint32(oid).string(schema).string(table).tag('n')
    writer.uint16(columns.length)
    for (const { name, typeOid = TEXT_OID, isKey = false } of columns) {
      writer
        .uint8(isKey ? 1 : 0)
        .string(name)
        .uint32(typeOid)
        .uint32(0xffff_ffff)
    }
    return writer.done()
  },
  insert: (oid: number, values: readonly (string | null | undefined)[]): Uint8Array =>
    new MessageWriter().tag('I').uint32(oid).tag('N').tuple(values).done(),
  /** Of a table with REPLICA IDENTITY FULL. */
  update: (
    oid: number,
    old: readonly (string | null)[],
    values: readonly (string | null | undefined)[],
  ): Uint8Array =>
    new MessageWriter().tag('U').uint32(oid).tag('O').tuple(old).tag('N').tuple(values).done(),
} as const
