import { errorMessage } from '@fairlead/base'
import { type Logger, classifyPostgresError } from '@fairlead/postgres'
import type pg from 'pg'
import type { RelayOptions } from '../options.ts'
import type { Signal, Signals } from '../signals/signals.ts'
import { SessionFailure } from '../session-failure.ts'
import { createSlotWithSnapshot } from '../source/create-slot.ts'
import { isOrderedWhenNeeded } from './order-when-needed.ts'
import {
  type Range,
  type TableSource,
  publishFromSnapshot,
  publishUnseen,
} from './publish-unseen.ts'
import { readSlotHealth } from './slot-health.ts'

export type ReplayTableParts = TableSource & {
  readonly capturedTables: readonly string[]
  readonly signals: Signals
  readonly logger: Logger
}

/** A row is stamped when it is inserted, and published after its commit: transactions may last this long. */
const MARGIN_MS = 3_600_000

/**
 * Makes a new slot in the place of one that is lost, and publishes what was committed between the two
 * from the table: rows that the slot's snapshot shows and no topic holds. An order of an operator, who may
 * give it beforehand with `snapshot.mode=when_needed`.
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
    const replayedEvents = await publishFromSnapshot(parts, slot, async (snapshot) => {
      const report = () =>
        signals.report(order.signalId, { replayedEvents: snapshot.publisher.eventCount })
      await publishUnseen(parts, range, snapshot, report)
    })
    // A relay that dies behind it begins anew, and finds the order given.
    await signals.orderInitialSnapshot(parts.capturedTables)
    await finish(parts, order, replayedEvents)
    logger.info({ replayedEvents }, 'the table is replayed')
  } catch (error) {
    await slot.release()
    if (error instanceof SessionFailure || classifyPostgresError(error) === 'infra') throw error
    await giveUp(parts, order, error)
  } finally {
    await slot.release()
  }
}

/** The slot is made, and the order is carried out: never one without the other. */
async function finish(parts: ReplayTableParts, order: Signal, events: number): Promise<void> {
  const { control, options, signals } = parts
  await control.query('begin')
  try {
    await control.query(`update relay.slot set state = 'created' where slot_name = $1`, [
      options.source.slotName,
    ])
    await signals.finish(order.signalId, { replayedEvents: events })
    await control.query('commit')
  } catch (error) {
    await control.query('rollback')
    throw error
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
  const slot = await readSlotHealth(control, slotName)
  const reason = `slot ${slotName} is read by somebody`
  if (slot?.isActive === true && isOrderedWhenNeeded(order)) {
    // Another relay, which is about to find out what this one did.
    throw new SessionFailure({ kind: 'slot-in-use', reason })
  }
  if (slot?.isActive === true) return reason
  if (slot?.isWell !== true || order.data['force'] === true) return undefined
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

async function dropSlot(control: pg.Client, slotName: string): Promise<void> {
  await control.query(
    `update relay.slot set state = 'creating', start_lsn = null, confirmed_lsn = null, dropped_reason = null,
       position_topic = null, session_id = session_id + 1 where slot_name = $1`,
    [slotName],
  )
  await control.query(
    'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1',
    [slotName],
  )
}
