import { EVENT_HEADERS, type Lsn, errorMessage, lsn } from '@fairlead/base'
import { type Converter, type OutboxRouter, type RouteOutcome, positionWithin } from '@fairlead/cdc'
import { type Logger, classifyPostgresError, closeClient } from '@fairlead/postgres'
import pg from 'pg'
import type { RelayMetrics } from '../metrics.ts'
import type { RelayOptions } from '../options.ts'
import { insertOf, originOf, originWithRow } from '../parked/stored-event.ts'
import type { Signal, Signals } from '../signals/signals.ts'
import type { EventEncoder } from '../sink/event-encoder.ts'
import type { SinkClients } from '../sink/sink-clients.ts'
import { slotUncertain } from '../sink/sink-failure.ts'
import { SessionFailure, halt } from '../session-failure.ts'
import { createSlotWithSnapshot } from '../source/create-slot.ts'
import type { ParkedEvent } from '../source/parked-events.ts'
import { quotedTable } from '../source/source-options.ts'
import { TEXT_SETTINGS, type TableShape, readShape, selectRows } from '../table/table-reader.ts'
import { noteSeenEvents } from './seen-events.ts'
import { TablePublisher } from './table-publisher.ts'

export type ReplayTableParts = {
  readonly control: pg.Client
  readonly options: RelayOptions
  /** Of the records' header `cdc.source`. */
  readonly source: string
  readonly capturedTables: readonly string[]
  readonly router: OutboxRouter
  readonly sink: SinkClients
  readonly encoder: EventEncoder | undefined
  readonly signals: Signals
  readonly metrics: RelayMetrics
  readonly logger: Logger
  readonly isPermitted: () => boolean
  readonly wallNowMs: () => number
  onParked(events: readonly ParkedEvent[]): void
}

type Range = {
  /** Rows that are older were published for sure; null: no row is left out for its age. */
  readonly since: Date | null
  readonly timeColumn: string
}

const CONNECT_TIMEOUT_MS = 10_000
const BATCH_ROWS = 500
/** A row is stamped when it is inserted, and published after its commit: transactions may last this long. */
const MARGIN_MS = 3_600_000
const REPLAYED_HEADER = [EVENT_HEADERS.replayed, new TextEncoder().encode('true')] as const

/**
 * Makes a new slot in the place of one that is lost, and publishes what was committed between the two
 * from the table: rows that the slot's snapshot shows and no topic holds. An order of an operator, never
 * by itself.
 *
 * - Nothing is missing and nothing twice: the slot begins exactly where its snapshot ends, and ids that
 *   the topics hold, or that are parked, are left out. The table must still have the rows.
 * - The order of the gap is that of the rows' times, which is not quite that of their commits: they carry
 *   `cdc.replayed`. All of it comes before what the new slot sends.
 * - Of captured tables a snapshot is ordered: what they hold now. A row that was deleted in the gap stays
 *   in its topic.
 * - A relay that dies meanwhile leaves the slot in state `creating`. The next one drops it and begins anew.
 */
export async function replayTable(parts: ReplayTableParts, order: Signal): Promise<void> {
  const { control, options, signals, logger } = parts
  const { slotName } = options.source
  const refusal = await refuse(control, slotName, order)
  const range = refusal ?? (await rangeOf(control, options, order))
  if (typeof range === 'string') {
    logger.warn({ reason: range }, 'the table is not replayed')
    await signals.finish(order.signalId, {}, range)
    return
  }
  logger.info({ since: range.since }, 'a new slot is made, and the table replayed')
  await dropSlot(control, slotName)
  const slot = await createSlotWithSnapshot(options.source)
  try {
    const replayedEvents = await publishGap(parts, order, range, slot)
    // A relay that dies behind it begins anew, and finds the order given.
    await signals.orderInitialSnapshot(parts.capturedTables)
    await control.query(`update relay.slot set state = 'created' where slot_name = $1`, [slotName])
    await signals.finish(order.signalId, { replayedEvents })
    logger.info({ replayedEvents }, 'the table is replayed')
  } catch (error) {
    await slot.release()
    if (error instanceof SessionFailure || classifyPostgresError(error) === 'infra') throw error
    await giveUp(parts, order, error)
  } finally {
    await slot.release()
  }
}

/** What trying again would not cure: the slot is lost as before, and the relay halts. */
async function giveUp(parts: ReplayTableParts, order: Signal, error: unknown): Promise<void> {
  const { control, options, signals, logger } = parts
  const reason = errorMessage(error)
  logger.error({ reason }, 'the table could not be replayed')
  await dropSlot(control, options.source.slotName)
  await control.query(`update relay.slot set state = 'created' where slot_name = $1`, [
    options.source.slotName,
  ])
  await signals.finish(order.signalId, order.progress, reason)
}

/** Why the slot should stay. */
async function refuse(
  control: pg.Client,
  slotName: string,
  order: Signal,
): Promise<string | undefined> {
  const { rows } = await control.query<{ active: boolean; is_well: boolean }>(
    `select active, server.wal_status is distinct from 'lost' and coalesce(slot.state = 'created', false)
       and not coalesce(confirmed_flush_lsn > slot.confirmed_lsn, false) as is_well
     from pg_replication_slots as server left join relay.slot as slot using (slot_name)
     where slot_name = $1`,
    [slotName],
  )
  const [slot] = rows
  if (slot?.active === true) return `slot ${slotName} is read by somebody`
  if (slot?.is_well !== true || order.data['force'] === true) return undefined
  return `slot ${slotName} is not lost: with "force": true it is dropped and made anew all the same`
}

async function rangeOf(
  control: pg.Client,
  options: RelayOptions,
  { data }: Signal,
): Promise<Range | string> {
  const timeColumn = options.source.columns.timestamp
  const { since } = data
  if (since === 'beginning') return { since: null, timeColumn }
  if (since !== undefined) {
    const date = new Date(typeof since === 'string' ? since : Number.NaN)
    if (!Number.isNaN(date.getTime())) return { since: date, timeColumn }
    return 'since is a time as 2026-01-31T12:00:00Z, or beginning'
  }
  const { rows } = await control.query<{ published_until: Date | null }>(
    'select published_until from relay.slot where slot_name = $1',
    [options.source.slotName],
  )
  const until = rows[0]?.published_until ?? null
  if (until !== null) return { since: new Date(until.getTime() - MARGIN_MS), timeColumn }
  return 'it is not known until when events were published: give since, a time or beginning'
}

/** The converter of Connect for bytes leaves all else to its delegate. */
function isJson(converter: Converter | null): boolean {
  return converter?.kind === 'bytes' ? isJson(converter.delegate) : converter?.kind === 'json'
}

async function dropSlot(control: pg.Client, slotName: string): Promise<void> {
  await control.query(
    `update relay.slot set state = 'creating', start_lsn = null, confirmed_lsn = null, dropped_reason = null,
       session_id = session_id + 1 where slot_name = $1`,
    [slotName],
  )
  await control.query(
    'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1',
    [slotName],
  )
}

async function publishGap(
  parts: ReplayTableParts,
  order: Signal,
  range: Range,
  slot: { readonly snapshotName: string; readonly consistentLsn: Lsn },
): Promise<number> {
  const { options } = parts
  const reader = new pg.Client({
    connectionString: options.databaseUrl,
    application_name: `fairlead-relay-${options.source.slotName}-replay`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  reader.on('error', () => undefined)
  await reader.connect()
  const publisher = await TablePublisher.open(parts)
  try {
    await reader.query(TEXT_SETTINGS)
    await reader.query('begin isolation level repeatable read')
    await reader.query(`set transaction snapshot ${pg.escapeLiteral(slot.snapshotName)}`)
    await reader.query('create temp table relay_seen (id text primary key) on commit drop')
    await noteParked(reader, parts.control, options.source.slotName)
    for (const table of options.source.tables) {
      await noteSeenEvents(reader, {
        sink: parts.sink,
        topics: await topicsOf(reader, parts, table, range),
        sinceMs: range.since?.getTime() ?? null,
        areIdsJson: isJson(options.routing.converters.header),
      })
      await publishUnseen({ parts, order, range, slot, reader, publisher }, table)
    }
    await publisher.finish()
    return publisher.eventCount
  } finally {
    await publisher.close()
    await closeClient(reader)
  }
}

/** Of the present, not of the snapshot: a relay that died may have parked rows of the gap. */
async function noteParked(reader: pg.Client, control: pg.Client, slotName: string): Promise<void> {
  const { rows } = await control.query<{ ids: string[] | null }>(
    `select array_agg(event_id) as ids from relay.parked_event
     where slot_name = $1 and event_id is not null`,
    [slotName],
  )
  await reader.query('insert into relay_seen select unnest($1::text[]) on conflict do nothing', [
    rows[0]?.ids ?? [],
  ])
}

/** Where rows of the range go. */
async function topicsOf(
  reader: pg.Client,
  { router, isPermitted }: ReplayTableParts,
  table: string,
  range: Range,
): Promise<ReadonlySet<string>> {
  const topics = new Set<string>()
  await eachRow(reader, table, { range, condition: 'true', isPermitted }, (shape, values) => {
    const outcome = router.route(insertOf(NOWHERE, shape.relation, values))
    if (outcome.kind === 'routed') topics.add(outcome.topic)
    return Promise.resolve()
  })
  return topics
}

const NOWHERE = { position: { commitLsn: lsn(0n), commitIndex: 0 }, commitTimestampMs: 0 }

async function publishUnseen(
  work: {
    readonly parts: ReplayTableParts
    readonly order: Signal
    readonly range: Range
    readonly slot: { readonly consistentLsn: Lsn }
    readonly reader: pg.Client
    readonly publisher: TablePublisher
  },
  table: string,
): Promise<void> {
  const { parts, order, range, slot, reader, publisher } = work
  const idColumn = pg.escapeIdentifier(parts.options.source.columns.id)
  const condition = `not exists (select from relay_seen where relay_seen.id = event.${idColumn}::text)`
  const commitTimestampMs = parts.wallNowMs()
  const { isPermitted } = parts
  await eachRow(reader, table, { range, condition, isPermitted }, async (shape, values) => {
    const position = positionWithin(slot.consistentLsn, publisher.eventCount)
    const change = insertOf({ position, commitTimestampMs }, shape.relation, values)
    const outcome: RouteOutcome = parts.router.route(change)
    if (outcome.kind === 'routed') {
      const headers = [...outcome.headers, REPLAYED_HEADER]
      await publisher.publish({ ...outcome, headers }, originOf(shape.relation))
    } else if (outcome.kind === 'unroutable') {
      await publisher.publish(outcome, originWithRow(change))
    }
    if (publisher.eventCount % BATCH_ROWS !== 0) return
    await parts.signals.report(order.signalId, { replayedEvents: publisher.eventCount })
  })
}

/** In the order of their times; through a cursor, so that the table may be large. */
async function eachRow(
  reader: pg.Client,
  table: string,
  {
    range,
    condition,
    isPermitted,
  }: { readonly range: Range; readonly condition: string; readonly isPermitted: () => boolean },
  onRow: (shape: TableShape, values: readonly (Uint8Array | null)[]) => Promise<void>,
): Promise<void> {
  const shape = await readShape(reader, table)
  if (shape === undefined) throw halt('TABLE_MISSING', `there is no table ${table}`)
  const hasTime = shape.relation.columns.some(({ name }) => name === range.timeColumn)
  const time = `event.${pg.escapeIdentifier(range.timeColumn)}`
  const isRecent =
    hasTime && range.since !== null
      ? `${time} >= ${pg.escapeLiteral(range.since.toISOString())}`
      : 'true'
  await reader.query(
    `declare gap cursor for select ${shape.selectList} from ${quotedTable(table)} as event
     where ${isRecent} and ${condition} order by ${hasTime ? `${time}, ` : ''}event.ctid`,
  )
  for (;;) {
    if (!isPermitted()) throw slotUncertain()
    const rows = await selectRows(reader, `fetch ${BATCH_ROWS} from gap`, [])
    for (const values of rows) await onRow(shape, values)
    if (rows.length < BATCH_ROWS) break
  }
  await reader.query('close gap')
}
