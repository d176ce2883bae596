import type { OutboxColumns } from './outbox-columns.ts'
import { MESSAGE_SCHEMA } from './outbox-message.ts'
import type { Relation } from './pgoutput-message.ts'
import { TYPE_OIDS, parseBytea } from './postgres-text.ts'
import type { EventHeader } from './record-body.ts'
import type { OutboxRow } from './route-function.ts'
import { text } from './tuple-text.ts'
import type { Tuple } from './tuple.ts'

const LENIENT_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })

/** A row for a function that routes it. What the function does not ask for is not decoded. */
export class TupleRow implements OutboxRow {
  readonly aggregateType: string
  readonly tenant: string | null
  readonly timestampMs: number
  readonly topic: string
  readonly #relation: Relation
  readonly #tuple: Tuple
  readonly #indexes: OutboxColumns
  readonly #own: readonly EventHeader[]

  constructor(
    relation: Relation,
    tuple: Tuple,
    indexes: OutboxColumns,
    routed: Pick<OutboxRow, 'aggregateType' | 'tenant' | 'timestampMs' | 'topic'> & {
      readonly own: readonly EventHeader[]
    },
  ) {
    this.#relation = relation
    this.#tuple = tuple
    this.#indexes = indexes
    this.#own = routed.own
    this.aggregateType = routed.aggregateType
    this.tenant = routed.tenant
    this.timestampMs = routed.timestampMs
    this.topic = routed.topic
  }

  get table(): string {
    const { schema, table } = this.#relation
    return schema === MESSAGE_SCHEMA ? table : `${schema}.${table}`
  }

  get columns(): Readonly<Record<string, string | null>> {
    return Object.fromEntries(
      this.#relation.columns.map(({ name }, index) => [name, text(this.#tuple, index)]),
    )
  }

  get id(): string | null {
    return text(this.#tuple, this.#indexes.id)
  }

  get aggregateId(): string | null {
    return text(this.#tuple, this.#indexes.key)
  }

  get type(): string | null {
    return text(this.#tuple, this.#indexes.type)
  }

  get headers(): Readonly<Record<string, string | null>> {
    return Object.fromEntries(
      this.#own.map(([name, value]) => [name, value === null ? null : LENIENT_TEXT.decode(value)]),
    )
  }

  get payload(): Uint8Array | null {
    const { payload, payloadTypeOid } = this.#indexes
    const start = this.#tuple.start(payload)
    if (start < 0) return null
    const bytes = new Uint8Array(this.#tuple.bytes.subarray(start, this.#tuple.end(payload)))
    return payloadTypeOid === TYPE_OIDS.bytea ? parseBytea(bytes) : bytes
  }
}
