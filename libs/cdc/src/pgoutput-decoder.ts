import { DecodeError } from '@fairlead/base'
import { MessageReader } from './message-reader.ts'
import type { PgOutputMessage, Relation, RelationColumn, RowMessage } from './pgoutput-message.ts'
import { ColumnBounds, type Tuple, decodeTuple } from './tuple.ts'

/**
 * A message that belongs to a later protocol version or to an option that we do not ask for:
 * streamed or prepared transactions.
 */
export class UnsupportedMessageError extends DecodeError {
  readonly tag: string

  constructor(tag: string, meaning: string) {
    super(`message ${tag} (${meaning}) needs an option of pgoutput that was not asked for`, 0)
    this.tag = tag
  }
}

/** PostgreSQL, "Logical Replication Message Formats": what versions 2 to 4 add. */
const LATER_TAGS: Readonly<Record<string, string>> = {
  S: 'stream start',
  E: 'stream stop',
  c: 'stream commit',
  A: 'stream abort',
  b: 'begin prepare',
  P: 'prepare',
  K: 'commit prepared',
  r: 'rollback prepared',
  p: 'stream prepare',
}

/** More tables than a publication of ours can have; a peer that announces more is no Postgres. */
const RELATIONS_MAX = 100_000
const COLUMN_IS_KEY = 1
const MESSAGE_IS_TRANSACTIONAL = 1

/**
 * Decodes the messages of one replication session, in order.
 *
 * The decoder remembers each Relation message: Postgres announces a table before its first row, and
 * again when its definition changed; rows then refer to it by oid. A new session starts a new
 * decoder. Only DecodeError is thrown, whatever the bytes are.
 */
export class PgOutputDecoder {
  readonly #relations = new Map<number, Relation>()
  readonly #reader = new MessageReader()
  /** Of the tuples of the message. */
  readonly #bounds = new ColumnBounds()
  /** Of the row before: rows of one table come one after the other. */
  #relation: Relation | undefined

  /**
   * The message that stands in `bytes` from `start` up to before `end`. Its rows are valid as long as those
   * bytes are, and until the next message is decoded.
   */
  decode(bytes: Uint8Array, start = 0, end: number = bytes.length): PgOutputMessage {
    const reader = this.#reader
    reader.open(bytes, start, end)
    this.#bounds.clear()
    const message = this.#decodeBody(String.fromCharCode(reader.uint8()), reader)
    reader.end()
    return message
  }

  #decodeBody(tag: string, reader: MessageReader): PgOutputMessage {
    switch (tag) {
      case 'I':
        return this.#insert(reader)
      case 'B':
        return begin(reader)
      case 'C':
        return commit(reader)
      case 'R':
        return { kind: 'relation', relation: this.#announce(reader) }
      case 'U':
        return this.#update(reader)
      case 'D':
        return this.#delete(reader)
      case 'T':
        return this.#truncate(reader)
      case 'Y':
        return {
          kind: 'type',
          typeOid: reader.uint32(),
          schema: reader.string(),
          name: reader.string(),
        }
      case 'O':
        return { kind: 'origin', originLsn: reader.lsn(), name: reader.string() }
      case 'M':
        return logicalMessage(reader)
      default: {
        const meaning = LATER_TAGS[tag]
        if (meaning !== undefined) throw new UnsupportedMessageError(tag, meaning)
        throw new DecodeError(`no message has tag ${JSON.stringify(tag)}`, 0)
      }
    }
  }

  #announce(reader: MessageReader): Relation {
    const relation: Relation = {
      relationOid: reader.uint32(),
      // Postgres leaves the name of pg_catalog out.
      schema: reader.string() || 'pg_catalog',
      table: reader.string(),
      replicaIdentity: String.fromCharCode(reader.uint8()),
      columns: columns(reader),
    }
    this.#relations.set(relation.relationOid, relation)
    this.#relation = undefined
    if (this.#relations.size > RELATIONS_MAX) {
      throw new DecodeError(`more than ${RELATIONS_MAX} relations`, 0)
    }
    return relation
  }

  #insert(reader: MessageReader): RowMessage {
    const relation = this.#announced(reader)
    expectTag(reader, 'N')
    return { kind: 'insert', relation, row: this.#tuple(relation) }
  }

  #update(reader: MessageReader): RowMessage {
    const relation = this.#announced(reader)
    const tag = expectTag(reader, 'NKO')
    const oldRow = tag === 'N' ? undefined : this.#tuple(relation)
    if (oldRow !== undefined) expectTag(reader, 'N')
    return { kind: 'update', relation, oldRow, row: this.#tuple(relation) }
  }

  #delete(reader: MessageReader): RowMessage {
    const relation = this.#announced(reader)
    expectTag(reader, 'KO')
    return { kind: 'delete', relation, oldRow: this.#tuple(relation) }
  }

  /** Columns are addressed by the index that the Relation message gave them. */
  #tuple(relation: Relation): Tuple {
    const reader = this.#reader
    const { position } = reader
    const tuple = decodeTuple(reader, this.#bounds)
    if (tuple.columnCount === relation.columns.length) return tuple
    throw reader.failure(
      `${tuple.columnCount} values for ${relation.columns.length} columns of ${relation.table}`,
      position,
    )
  }

  #truncate(reader: MessageReader): PgOutputMessage {
    const relationCount = reader.int32()
    const options = reader.uint8()
    const relations: Relation[] = []
    for (let index = 0; index < relationCount; index += 1) relations.push(this.#announced(reader))
    return { kind: 'truncate', relations, options }
  }

  #announced(reader: MessageReader): Relation {
    const position = reader.position
    const relationOid = reader.uint32()
    if (this.#relation?.relationOid === relationOid) return this.#relation
    const relation = this.#relations.get(relationOid)
    if (relation === undefined) {
      throw reader.failure(`relation ${relationOid} was not announced`, position)
    }
    this.#relation = relation
    return relation
  }
}

function begin(reader: MessageReader): PgOutputMessage {
  const commitLsn = reader.lsn()
  const commitTimestampUs = reader.timestampUs()
  const commitTimestampMs = Math.floor(commitTimestampUs / 1_000)
  return { kind: 'begin', commitLsn, commitTimestampMs, commitTimestampUs, xid: reader.uint32() }
}

function commit(reader: MessageReader): PgOutputMessage {
  reader.uint8() // flags: none is defined
  return {
    kind: 'commit',
    commitLsn: reader.lsn(),
    endLsn: reader.lsn(),
    commitTimestampMs: reader.timestampMs(),
  }
}

function columns(reader: MessageReader): RelationColumn[] {
  const columnCount = reader.uint16()
  const decoded: RelationColumn[] = []
  for (let index = 0; index < columnCount; index += 1) {
    decoded.push({
      isKey: (reader.uint8() & COLUMN_IS_KEY) !== 0,
      name: reader.string(),
      typeOid: reader.uint32(),
      typeModifier: reader.int32(),
    })
  }
  return decoded
}

function logicalMessage(reader: MessageReader): PgOutputMessage {
  const isTransactional = (reader.uint8() & MESSAGE_IS_TRANSACTIONAL) !== 0
  const messageLsn = reader.lsn()
  const prefix = reader.string()
  const length = reader.int32()
  const start = reader.skip(length)
  const content = reader.bytes.subarray(start, start + length)
  return { kind: 'message', isTransactional, messageLsn, prefix, content }
}

function expectTag(reader: MessageReader, expected: string): string {
  const position = reader.position
  const tag = String.fromCharCode(reader.uint8())
  if (expected.includes(tag)) return tag
  throw reader.failure(`tuple tag ${JSON.stringify(tag)} instead of ${expected}`, position)
}
