import { type Lsn, lsn, parseLsn } from '@fairlead/base'
import type pg from 'pg'
import { type SessionFailure, halt } from '../session-failure.ts'
import { createSlot } from './create-slot.ts'
import type { Source } from './preflight.ts'
import { publishEarlierRows } from './earlier-rows.ts'
import type { SourceOptions } from './source-options.ts'

type SlotRow = {
  plugin: string | null
  database: string | null
  is_ours: boolean
  wal_status: string | null
  /** Of relay.slot: null when no relay has made the slot. */
  state: 'creating' | 'created' | 'snapshot' | null
  dropped_reason: string | null
}

const WHERE_THE_SLOT_STANDS = lsn(0n)

/**
 * Makes the slot on the very first start, and never again by itself.
 *
 * A relay that died while it made the slot left it in state `creating`: nobody has read it, and the
 * rows that are older than it may be unpublished. It is made anew.
 *
 * Resolves with the LSN that reading starts from when the slot has not come as far.
 */
export async function ensureSlot(
  client: pg.Client,
  options: SourceOptions,
  source: Omit<Source, 'startLsn'>,
): Promise<Lsn> {
  const { slotName } = options
  const { capturedTables } = source
  const { systemIdentifier } = source.system
  const slot = await readSlot(client, slotName)
  if (slot !== undefined) checkSlot(slot, slotName)
  if (slot !== undefined && slot.state !== 'creating') {
    await recordSlot(client, { slotName, systemIdentifier, state: 'created' })
    return readStartLsn(client, slotName)
  }
  if (slot === undefined) await refuseVanishedSlot(client, slotName)
  else await client.query('select pg_drop_replication_slot($1)', [slotName])
  await recordSlot(client, { slotName, systemIdentifier, state: 'creating' })
  await createSlot(options)
  await publishEarlierRows(client, options, capturedTables)
  return readStartLsn(client, slotName)
}

async function readSlot(client: pg.Client, slotName: string): Promise<SlotRow | undefined> {
  const { rows } = await client.query<SlotRow>(
    `select plugin, database, wal_status, slot.state, dropped_reason,
       coalesce(database = current_database(), false) as is_ours
     from pg_replication_slots left join relay.slot using (slot_name) where slot_name = $1`,
    [slotName],
  )
  return rows[0]
}

async function readStartLsn(client: pg.Client, slotName: string): Promise<Lsn> {
  const { rows } = await client.query<{ start_lsn: string | null }>(
    'select start_lsn from relay.slot where slot_name = $1',
    [slotName],
  )
  const startLsn = rows[0]?.start_lsn ?? null
  return startLsn === null ? WHERE_THE_SLOT_STANDS : parseLsn(startLsn)
}

function checkSlot(slot: SlotRow, slotName: string): void {
  if (slot.plugin !== 'pgoutput' || !slot.is_ours) {
    throw halt(
      'SLOT_UNSUITABLE',
      `slot ${slotName} belongs to plugin ${slot.plugin}, database ${slot.database}: choose another slot.name`,
    )
  }
  if (slot.dropped_reason !== null) throw slotDropped(slotName, slot.dropped_reason)
  if (slot.wal_status === 'lost') throw halt('SLOT_LOST', slotLostReason(slotName, 'lost its WAL'))
}

async function refuseVanishedSlot(client: pg.Client, slotName: string): Promise<void> {
  const { rows } = await client.query<{ dropped_reason: string | null }>(
    `select dropped_reason from relay.slot where slot_name = $1 and state = 'created'`,
    [slotName],
  )
  const [slot] = rows
  if (slot === undefined) return
  if (slot.dropped_reason !== null) throw slotDropped(slotName, slot.dropped_reason)
  throw halt('SLOT_LOST', slotLostReason(slotName, 'does not exist any more'))
}

function slotDropped(slotName: string, why: string): SessionFailure {
  return halt('SLOT_LOST', slotLostReason(slotName, `was dropped by the relay (${why})`))
}

export function slotLostReason(slotName: string, what: string): string {
  return (
    `slot ${slotName} ${what}, and with it perhaps events. "fairlead relay replay-table" makes a new one and ` +
    'publishes what is missing from the outbox table'
  )
}

async function recordSlot(
  client: pg.Client,
  slot: {
    readonly slotName: string
    readonly systemIdentifier: string
    readonly state: 'creating' | 'created'
  },
): Promise<void> {
  await client.query(
    `insert into relay.slot (slot_name, system_identifier, state) values ($1, $2, $3)
     on conflict (slot_name) do update set system_identifier = $2, state = $3,
       position_topic = case when $3 = 'created' then slot.position_topic end
     where slot.state <> $3 or slot.system_identifier <> $2`,
    [slot.slotName, slot.systemIdentifier, slot.state],
  )
}
