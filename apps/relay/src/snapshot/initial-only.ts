import { type SourceCatalog, TableCapture } from '@fairlead/cdc'
import type pg from 'pg'
import {
  type TableSource,
  publishFromSnapshot,
  publishRows,
  publishUnseen,
} from '../recovery/publish-unseen.ts'
import { matchingTables } from '../source/capture-publication.ts'
import { takePreflightLock } from '../source/preflight-lock.ts'
import { checkColumns } from '../source/preflight.ts'
import { readCatalog } from '../source/read-catalog.ts'
import type { SourceOptions } from '../source/source-options.ts'
import { type SystemIdentity, identifySystem } from '../timeline/identify-system.ts'
import { SnapshotTables } from './snapshot-tables.ts'

/** What there is to be read. */
export type UnreadTables = {
  readonly system: SystemIdentity
  readonly catalog: SourceCatalog
  /** As `schema.table`. */
  readonly capturedTables: readonly string[]
}

/**
 * `snapshot.mode=initial_only`: what the tables hold is published once, and the log is not read. There is
 * no slot, which would keep the log back for nobody; and no publication, but what one leaves out that
 * exists is left out.
 *
 * One relay at a time does it, for as long as `client` is connected. Resolves with why there is nothing
 * to do any more when it was done before: as in Debezium, a relay that has read its slot has a position
 * already.
 *
 * @throws {SessionFailure} `OUTBOX_COLUMNS`; `slot-in-use` while another relay is at it.
 */
export async function findUnreadTables(
  client: pg.Client,
  options: SourceOptions,
): Promise<UnreadTables | string> {
  const { slotName, tables, capture } = options
  await takePreflightLock(client, slotName)
  const { rows } = await client.query<{ state: string; since: Date }>(
    'select state, created_at as since from relay.slot where slot_name = $1',
    [slotName],
  )
  const [slot] = rows
  if (slot?.state === 'snapshot') return `everything was published at ${slot.since.toISOString()}`
  if (slot?.state === 'created') return `a relay has read slot ${slotName} before: no row is read`
  await checkColumns(client, options)
  const capturedTables = capture === undefined ? [] : await matchingTables(client, capture)
  const system = await identifySystem(options, undefined)
  const catalog = await readCatalog(client, [...tables, ...capturedTables])
  return { system, catalog, capturedTables }
}

/**
 * Publishes the rows of one moment: those of outbox tables that the topics do not hold, then those of
 * captured tables as `op: r`. A relay that dies meanwhile begins anew. Resolves with how many there were.
 *
 * @throws {SessionFailure}
 */
export async function publishTables(parts: TableSource, unread: UnreadTables): Promise<number> {
  const { control, options, metrics } = parts
  const { slotName, columns } = options.source
  const timeColumn = columns.timestamp
  const tables = snapshotTables(parts, unread)
  metrics.snapshotRunning(true)
  try {
    const count = await publishFromSnapshot(parts, undefined, async (snapshot) => {
      await publishUnseen(parts, { since: null, timeColumn }, snapshot, nothing)
      for (const table of unread.capturedTables) {
        // Without a publication, or outside of it, all of the table is meant: none is needed.
        const part = await tables.findPublishedPart(snapshot.reader, table)
        const selection = { part, condition: 'true', timeColumn: '' }
        const rows = { table, selection, onBatch: nothing }
        await publishRows(parts, snapshot, rows, (relation, row, place) =>
          tables.eventOf(relation, row, { ...place, type: 'initial' }),
        )
      }
    })
    metrics.snapshotRows(count)
    await control.query(
      `insert into relay.slot (slot_name, system_identifier, state) values ($1, $2, 'snapshot')
       on conflict (slot_name)
       do update set state = 'snapshot', system_identifier = $2, created_at = clock_timestamp()`,
      [slotName, unread.system.systemIdentifier],
    )
    return count
  } finally {
    metrics.snapshotRunning(false)
  }
}

function snapshotTables(
  { options, router, source, wallNowMs }: TableSource,
  { catalog, capturedTables }: UnreadTables,
): SnapshotTables {
  const { tables, publicationName, capture } = options.source
  return new SnapshotTables({
    outbox: { tables, publicationName },
    router,
    captured:
      capture === undefined || options.capture === undefined
        ? undefined
        : {
            tables: capturedTables,
            publicationName: capture.publicationName,
            capture: new TableCapture({
              ...options.capture,
              exceptTables: tables,
              source,
              catalog,
              wallNowMs,
            }),
          },
  })
}

function nothing(): Promise<void> {
  return Promise.resolve()
}
