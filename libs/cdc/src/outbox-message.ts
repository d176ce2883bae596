import { jsonObjectEntries } from './json-object-entries.ts'
import type { Relation } from './pgoutput-message.ts'
import { TYPE_OIDS } from './postgres-text.ts'
import type { UnroutableEvent } from './routed-event.ts'
import type { EmittedMessage, RowChange } from './transaction-assembler.ts'
import { tupleOf } from './tuple.ts'

/** Stands for the schema of a table in what is known of a message; the prefix stands for the table. */
export const MESSAGE_SCHEMA = 'pg_logical_emit_message'

/** Columns that `outbox.emit` gives a message, with the names of the outbox table. */
export const MESSAGE_FIELDS = {
  id: 'id',
  key: 'aggregateid',
  route: 'aggregatetype',
  payload: 'payload',
  type: 'type',
  timestamp: 'created_at',
  headers: 'headers',
  trace: 'tracingspancontext',
  schemaVersion: '',
} as const

/** Says that the payload is a bytea in its hex form. */
const ENCODING_FIELD = 'payload_encoding'
const TEXT_OID = 25
const JSONB_OID = 3802
const TEXT = new TextEncoder()
const LENIENT_TEXT = new TextDecoder('utf-8', { ignoreBOM: true })
/** A service writes the same fields each time; with more shapes than this they are made anew. */
const RELATIONS_MAX = 1_000

/**
 * Reads what `pg_logical_emit_message` wrote as if it were a row of an outbox table: a JSON object,
 * each entry a column. So a message is routed by all rules that rows are routed by.
 */
export class OutboxMessages {
  readonly #prefixes: ReadonlySet<string>
  readonly #relations = new Map<string, Relation>()
  readonly #wallNowMs: () => number

  constructor(prefixes: readonly string[], wallNowMs: () => number) {
    this.#prefixes = new Set(prefixes)
    this.#wallNowMs = wallNowMs
  }

  /** Undefined when the message is not for us; unroutable when no row could be like it. */
  rowOf({ message, position, ...facts }: EmittedMessage): RowChange | UnroutableEvent | undefined {
    if (!this.#prefixes.has(message.prefix)) return undefined
    const { events } = facts
    // A message outside of transactions has no commit time.
    const commitTimestampMs = facts.commitTimestampMs ?? this.#wallNowMs()
    const text = LENIENT_TEXT.decode(message.content)
    const entries = jsonObjectEntries(text)
    const invalid = (reason: string): UnroutableEvent => {
      events?.next(`${MESSAGE_SCHEMA}.${message.prefix}`)
      return {
        kind: 'unroutable',
        code: 'INVALID_MESSAGE',
        reason: `a message with prefix ${message.prefix} ${reason}`,
        position,
        commitTimestampMs,
        eventId: null,
        aggregateType: null,
        aggregateId: null,
        type: null,
        headersText: null,
        value: new Uint8Array(message.content),
      }
    }
    if (entries === undefined) return invalid('is not a JSON object')
    const isHex = entries.some(([name, json]) => name === ENCODING_FIELD && json === '"hex"')
    const columns = entries.map(([name, json]) => ({ name, ...columnOf(name, json, isHex) }))
    const zero = columns.find(hasZero)
    if (zero !== undefined) return invalid(`has a zero character in ${JSON.stringify(zero.name)}`)
    const relation = this.#relationOf(message.prefix, columns)
    const row = tupleOf(columns.map(({ value }) => value))
    const change = { kind: 'insert', relation, row } as const
    return { kind: 'row', change, position, commitTimestampMs, xid: facts.xid, events }
  }

  #relationOf(
    prefix: string,
    columns: readonly { readonly name: string; readonly typeOid: number }[],
  ): Relation {
    const key = [prefix, ...columns.map(({ name, typeOid }) => `${typeOid} ${name}`)].join('\0')
    const known = this.#relations.get(key)
    if (known !== undefined) return known
    const relation: Relation = {
      relationOid: 0,
      schema: MESSAGE_SCHEMA,
      table: prefix,
      replicaIdentity: 'n',
      columns: columns.map(({ name, typeOid }) => ({
        name,
        typeOid,
        isKey: false,
        typeModifier: -1,
      })),
    }
    if (this.#relations.size >= RELATIONS_MAX) this.#relations.clear()
    this.#relations.set(key, relation)
    return relation
  }
}

/** No column of a table but one of bytes can have a zero, and what names an event must fit into one. */
function hasZero({ name, value }: { readonly name: string; readonly value: Uint8Array | null }) {
  return name.includes('\0') || (name !== MESSAGE_FIELDS.payload && value?.includes(0) === true)
}

function columnOf(name: string, json: string, isHex: boolean) {
  const isText = json.startsWith('"')
  const typeOid =
    name !== MESSAGE_FIELDS.payload
      ? TEXT_OID
      : isHex
        ? TYPE_OIDS.bytea
        : isText
          ? TEXT_OID
          : JSONB_OID
  const text = isText ? (JSON.parse(json) as string) : json
  return { typeOid, value: json === 'null' ? null : TEXT.encode(text) }
}
