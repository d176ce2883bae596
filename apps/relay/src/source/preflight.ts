import { type Lsn, lsn, parseLsn } from '@fairlead/base'
import pg from 'pg'
import { halt } from '../session-failure.ts'

export type SourceOptions = {
  readonly slotName: string
  readonly failover: boolean
  readonly publicationName: string
  /** `schema.table` */
  readonly tables: readonly string[]
}

export type Source = {
  /** Names the database cluster, whatever its address. */
  readonly systemIdentifier: string
  /** Where the slot stands. */
  readonly confirmedLsn: Lsn
}

type SlotRow = {
  plugin: string | null
  database: string | null
  is_ours: boolean
  wal_status: string | null
  confirmed_flush_lsn: string | null
}

/** One relay at a time looks at the publication and the slot. */
const ADVISORY_LOCK = "hashtextextended('fairlead relay preflight ' || $1, 0)"

/**
 * Checks that the source can be read without a gap, and makes what is missing on the very first
 * start: the publication before the slot, because a slot that reads a change from before its
 * publication existed can never get past it.
 *
 * @throws {SessionFailure} `halted` when events may have been lost, or nothing can work.
 */
export async function preflight(client: pg.Client, options: SourceOptions): Promise<Source> {
  await checkServer(client)
  await client.query(`select pg_advisory_lock(${ADVISORY_LOCK})`, [options.slotName])
  try {
    await ensurePublication(client, options)
    const systemIdentifier = await systemIdentifierOf(client)
    const confirmedLsn = await ensureSlot(client, options, systemIdentifier)
    return { systemIdentifier, confirmedLsn }
  } finally {
    await client.query(`select pg_advisory_unlock(${ADVISORY_LOCK})`, [options.slotName])
  }
}

async function checkServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ wal_level: string; may_replicate: boolean; name: string }>(`
    select current_setting('wal_level') as wal_level, rolname as name,
      rolreplication or rolsuper as may_replicate
    from pg_roles where rolname = current_user`)
  const [server] = rows
  if (server === undefined) return
  if (server.wal_level !== 'logical') {
    throw halt(
      'WAL_LEVEL',
      `wal_level is ${server.wal_level}: set wal_level = logical and restart Postgres`,
    )
  }
  if (!server.may_replicate) {
    throw halt(
      'NOT_A_REPLICATION_ROLE',
      `role ${server.name} may not replicate: alter role ${server.name} with replication`,
    )
  }
}

async function ensurePublication(client: pg.Client, options: SourceOptions): Promise<void> {
  const { publicationName, tables } = options
  const { rowCount } = await client.query('select from pg_publication where pubname = $1', [
    publicationName,
  ])
  if (rowCount === 0) await createPublication(client, options)
  const { rows } = await client.query<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_publication_tables where pubname = $1`,
    [publicationName],
  )
  const published = new Set(rows.map(({ name }) => name))
  const missing = tables.filter((table) => !published.has(table))
  if (missing.length > 0) {
    throw halt(
      'TABLE_MISSING',
      `publication ${publicationName} does not publish ${missing.join(', ')}: alter publication ${publicationName} add table …`,
    )
  }
}

async function createPublication(client: pg.Client, options: SourceOptions): Promise<void> {
  const slots = await client.query('select from pg_replication_slots where slot_name = $1', [
    options.slotName,
  ])
  if (slots.rowCount !== 0) {
    throw halt(
      'PUBLICATION_MISSING',
      `slot ${options.slotName} exists and publication ${options.publicationName} does not: a slot cannot read what was written before its publication existed`,
    )
  }
  const tables = options.tables.map((table) =>
    table
      .split('.')
      .map((part) => pg.escapeIdentifier(part))
      .join('.'),
  )
  const found = await client.query<{ name: string; oid: string | null }>(
    'select name, to_regclass(name)::oid::text as oid from unnest($1::text[]) as name',
    [tables],
  )
  const absent = found.rows.filter(({ oid }) => oid === null).map(({ name }) => name)
  if (absent.length > 0) throw halt('TABLE_MISSING', `there is no table ${absent.join(', ')}`)
  await client.query(
    `create publication ${pg.escapeIdentifier(options.publicationName)}
     for table ${tables.join(', ')} with (publish = 'insert', publish_via_partition_root = true)`,
  )
}

async function systemIdentifierOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'select system_identifier::text as id from pg_control_system()',
  )
  return rows[0]?.id ?? ''
}

async function ensureSlot(
  client: pg.Client,
  options: SourceOptions,
  systemIdentifier: string,
): Promise<Lsn> {
  const slot = await readSlot(client, options.slotName)
  if (slot !== undefined) {
    checkSlot(slot, options.slotName)
    await recordSlot(client, options.slotName, systemIdentifier, 'created')
    return slot.confirmed_flush_lsn === null ? lsn(0n) : parseLsn(slot.confirmed_flush_lsn)
  }
  await refuseVanishedSlot(client, options.slotName)
  await recordSlot(client, options.slotName, systemIdentifier, 'creating')
  await createSlot(client, options)
  await recordSlot(client, options.slotName, systemIdentifier, 'created')
  const created = await readSlot(client, options.slotName)
  return parseLsn(created?.confirmed_flush_lsn ?? '0/0')
}

async function readSlot(client: pg.Client, slotName: string): Promise<SlotRow | undefined> {
  const { rows } = await client.query<SlotRow>(
    `select plugin, database, wal_status, confirmed_flush_lsn::text,
       coalesce(database = current_database(), false) as is_ours
     from pg_replication_slots where slot_name = $1`,
    [slotName],
  )
  return rows[0]
}

function checkSlot(slot: SlotRow, slotName: string): void {
  if (slot.plugin !== 'pgoutput' || !slot.is_ours) {
    throw halt(
      'SLOT_UNSUITABLE',
      `slot ${slotName} belongs to plugin ${slot.plugin}, database ${slot.database}: choose another slot.name`,
    )
  }
  if (slot.wal_status === 'lost') throw halt('SLOT_LOST', slotLostReason(slotName, 'lost its WAL'))
}

async function refuseVanishedSlot(client: pg.Client, slotName: string): Promise<void> {
  const { rowCount } = await client.query(
    `select from relay.slot where slot_name = $1 and state = 'created'`,
    [slotName],
  )
  if (rowCount !== 0) throw halt('SLOT_LOST', slotLostReason(slotName, 'does not exist any more'))
}

export function slotLostReason(slotName: string, what: string): string {
  return (
    `slot ${slotName} ${what}, and with it perhaps events. A new slot starts after the gap: publish ` +
    `what is missing, drop the slot if it exists, then "delete from relay.slot where slot_name = '${slotName}'"`
  )
}

async function recordSlot(
  client: pg.Client,
  slotName: string,
  systemIdentifier: string,
  state: 'creating' | 'created',
): Promise<void> {
  await client.query(
    `insert into relay.slot (slot_name, system_identifier, state) values ($1, $2, $3)
     on conflict (slot_name) do update set system_identifier = $2, state = $3
     where slot.state <> $3 or slot.system_identifier <> $2`,
    [slotName, systemIdentifier, state],
  )
}

async function createSlot(client: pg.Client, options: SourceOptions): Promise<void> {
  if (options.failover) {
    await client.query(
      `select pg_create_logical_replication_slot($1, 'pgoutput', false, false, true)`,
      [options.slotName],
    )
  } else {
    await client.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [
      options.slotName,
    ])
  }
}
