import { type Lsn, lsn, parseLsn } from '@fairlead/base'
import {
  type Converter,
  type EventPosition,
  type OutboxRouter,
  type Relation,
  positionWithin,
} from '@fairlead/cdc'
import { closeClient } from '@fairlead/postgres'
import pg from 'pg'
import { LoopTurn } from '../loop-turn.ts'
import type { RelayOptions } from '../options.ts'
import { halt } from '../session-failure.ts'
import { slotUncertain } from '../sink/sink-failure.ts'
import { type SnapshotEvent, outboxEventOf } from '../snapshot/snapshot-tables.ts'
import { quotedTable } from '../source/source-options.ts'
import {
  CursorReader,
  type PublishedPart,
  TEXT_SETTINGS,
  type TableRow,
  readShape,
} from '../table/table-reader.ts'
import { createSeenIds, noteSeenEvents, noteSeenIds, unseenCondition } from './seen-events.ts'
import { TablePublisher, type TablePublisherParts } from './table-publisher.ts'

/** What publishes rows of tables, without a slot that is read. */
export type TableSource = TablePublisherParts & { readonly router: OutboxRouter }

/** Which rows of an outbox table are meant. */
export type Range = {
  /** Rows that are older were published for sure; null: no row is left out for its age. */
  readonly since: Date | null
  readonly timeColumn: string
}

/** Which rows of any table are read. */
export type Selection = {
  /** Of the columns and rows that a publication has; undefined for all. */
  readonly part: PublishedPart | undefined
  /** An SQL expression over `event`, the row. */
  readonly condition: string
  /** Column that orders the rows, where the table has it. */
  readonly timeColumn: string
}

/** The tables at one moment. */
export type TableSnapshot = {
  /** A connection within the transaction that sees it. */
  readonly reader: pg.Client
  /** What had been committed by then lies before it in the log. */
  readonly consistentLsn: Lsn
  readonly publisher: TablePublisher
}

const BATCH_ROWS = 500
/** Whose ids are in memory at a time. */
const PARKED_ROWS = 5_000
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Does what publishes rows of one snapshot of the database: that of a slot, by the name under which it
 * exports it, or else one of now. Resolves when all of it is durable, with how many events that were.
 *
 * @throws {SessionFailure}
 */
export async function publishFromSnapshot(
  parts: TableSource,
  exported: { readonly snapshotName: string; readonly consistentLsn: Lsn } | undefined,
  publish: (snapshot: TableSnapshot) => Promise<void>,
): Promise<number> {
  const reader = await openReader(parts.options)
  const publisher = await TablePublisher.open(parts)
  try {
    await reader.query(TEXT_SETTINGS)
    await reader.query('begin isolation level repeatable read')
    if (exported !== undefined) {
      await reader.query(`set transaction snapshot ${pg.escapeLiteral(exported.snapshotName)}`)
    }
    const consistentLsn = exported?.consistentLsn ?? (await endOfLog(reader))
    await publish({ reader, consistentLsn, publisher })
    await publisher.finish()
    return publisher.eventCount
  } finally {
    await publisher.close()
    await closeClient(reader)
  }
}

async function openReader(options: RelayOptions): Promise<pg.Client> {
  const reader = new pg.Client({
    connectionString: options.databaseUrl,
    application_name: `fairlead-relay-${options.source.slotName}-replay`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  reader.on('error', () => undefined)
  await reader.connect()
  return reader
}

async function endOfLog(reader: pg.Client): Promise<Lsn> {
  const { rows } = await reader.query<{ lsn: string }>('select pg_current_wal_insert_lsn() as lsn')
  return parseLsn(rows[0]?.lsn ?? '0/0')
}

/** Publishes the rows of outbox tables that no topic holds, and that are not parked: by their ids. */
export async function publishUnseen(
  parts: TableSource,
  range: Range,
  snapshot: TableSnapshot,
  onBatch: () => Promise<void>,
): Promise<void> {
  const { options } = parts
  const { reader } = snapshot
  await createSeenIds(reader)
  await noteParked(reader, parts.control, options.source.slotName)
  for (const table of options.source.tables) {
    await noteSeenEvents(reader, {
      sink: parts.sink,
      topics: await topicsOf(reader, parts, table, range),
      sinceMs: range.since?.getTime() ?? null,
      areIdsJson: isJson(options.routing.converters.header),
    })
    const condition = unseenCondition(options.source.columns.id)
    const selection = await selectionOf(reader, table, range, condition)
    await publishRows(parts, snapshot, { table, selection, onBatch }, (relation, row, place) =>
      outboxEventOf(parts.router, relation, row, place),
    )
  }
}

/** Publishes rows of a table, in the order of their times. */
export async function publishRows(
  parts: TableSource,
  { reader, consistentLsn, publisher }: TableSnapshot,
  rows: {
    readonly table: string
    readonly selection: Selection
    /** After every few rows. */
    readonly onBatch: () => Promise<void>
  },
  eventOf: (
    relation: Relation,
    row: TableRow,
    place: { readonly position: EventPosition; readonly commitTimestampMs: number },
  ) => SnapshotEvent | undefined,
): Promise<void> {
  const commitTimestampMs = parts.wallNowMs()
  const { table, selection, onBatch } = rows
  await eachRow(reader, table, selection, parts.isPermitted, async (relation, row) => {
    const position = positionWithin(consistentLsn, publisher.eventCount)
    const found = eventOf(relation, row, { position, commitTimestampMs })
    if (found === undefined) return
    await publisher.publish(found.event, found.origin)
    if (publisher.eventCount % BATCH_ROWS === 0) await onBatch()
  })
}

/** The converter of Connect for bytes leaves all else to its delegate. */
function isJson(converter: Converter | null): boolean {
  return converter?.kind === 'bytes' ? isJson(converter.delegate) : converter?.kind === 'json'
}

/** Of the present, not of the snapshot: a relay that died may have parked rows of the gap. */
async function noteParked(reader: pg.Client, control: pg.Client, slotName: string): Promise<void> {
  let lastId = '0'
  for (;;) {
    // One aggregate may have millions behind an event that is parked.
    const { rows } = await control.query<{ id: string; eventId: string | null }>(
      `select parked_id::text as id, event_id as "eventId" from relay.parked_event
       where slot_name = $1 and parked_event.parked_id > $2 order by parked_event.parked_id limit ${PARKED_ROWS}`,
      [slotName, lastId],
    )
    await noteSeenIds(
      reader,
      rows.flatMap(({ eventId }) => (eventId === null ? [] : [eventId])),
    )
    if (rows.length < PARKED_ROWS) return
    lastId = rows.at(-1)?.id ?? ''
  }
}

/** Where rows of the range go. */
async function topicsOf(
  reader: pg.Client,
  { router, isPermitted }: TableSource,
  table: string,
  range: Range,
): Promise<ReadonlySet<string>> {
  const topics = new Set<string>()
  const selection = await selectionOf(reader, table, range, 'true')
  await eachRow(reader, table, selection, isPermitted, (relation, row) => {
    const event = outboxEventOf(router, relation, row, NOWHERE)?.event
    if (event?.kind === 'routed') topics.add(event.topic)
    return Promise.resolve()
  })
  return topics
}

const NOWHERE = { position: { commitLsn: lsn(0n), commitIndex: 0 }, commitTimestampMs: 0 }

async function selectionOf(
  reader: pg.Client,
  table: string,
  { since, timeColumn }: Range,
  condition: string,
): Promise<Selection> {
  const shape = await readShape(reader, table)
  const hasTime = shape?.relation.columns.some(({ name }) => name === timeColumn) === true
  const isRecent =
    hasTime && since !== null
      ? `event.${pg.escapeIdentifier(timeColumn)} >= ${pg.escapeLiteral(since.toISOString())}`
      : 'true'
  return { part: undefined, condition: `${isRecent} and ${condition}`, timeColumn }
}

/** Through a cursor, so that the table may be large. */
async function eachRow(
  reader: pg.Client,
  table: string,
  { part, condition, timeColumn }: Selection,
  isPermitted: () => boolean,
  onRow: (relation: Relation, row: TableRow) => Promise<void>,
): Promise<void> {
  const shape = await readShape(reader, table, part)
  if (shape === undefined) throw halt('TABLE_MISSING', `there is no table ${table}`)
  const hasTime = shape.relation.columns.some(({ name }) => name === timeColumn)
  const time = hasTime ? `event.${pg.escapeIdentifier(timeColumn)}, ` : ''
  await reader.query(
    `declare gap cursor for select ${shape.selectList} from ${quotedTable(table)} as event
     where (${part?.rowFilter ?? 'true'}) and ${condition} order by ${time}event.ctid`,
  )
  const turn = new LoopTurn()
  const cursor = new CursorReader(reader, 'gap')
  while (!cursor.isAtEnd) {
    if (!isPermitted()) throw slotUncertain()
    for (const row of await cursor.next(BATCH_ROWS)) {
      await onRow(shape.relation, row)
      await turn.share()
    }
  }
  await reader.query('close gap')
}
