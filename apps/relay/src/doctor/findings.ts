import type { ClockOffset } from '../watch/clock-offset.ts'

/** What a look at the source has found; see `readSourceFacts`. */
export type SourceFacts = {
  readonly serverVersionNumber: number
  readonly walLevel: string
  /** Null without a bound. */
  readonly maxSlotWalKeepSizeBytes: number | null
  readonly maxReplicationSlots: number
  readonly replicationSlotCount: number
  /** 0 for never. */
  readonly idleSlotTimeoutSeconds: number
  readonly role: { readonly name: string; readonly mayReplicate: boolean }
  readonly slot: SlotFacts | undefined
  /** How long the oldest transaction runs, prepared ones included: a slot cannot move past its begin. */
  readonly oldestTransactionSeconds: number
  readonly publications: readonly PublicationFacts[]
  readonly outboxTables: readonly OutboxTableFacts[]
  readonly capturedTables: readonly CapturedTableFacts[]
}

export type SlotFacts = {
  readonly isActive: boolean
  readonly walStatus: string
  readonly isFailover: boolean
}

export type PublicationFacts = {
  readonly name: string
  readonly exists: boolean
  readonly publishesInserts: boolean
  readonly isViaRoot: boolean
  readonly missingTables: readonly string[]
}

export type OutboxTableFacts = {
  readonly table: string
  readonly exists: boolean
  readonly missingColumns: readonly string[]
  /** By partitions or by deletion. */
  readonly isCleaned: boolean
}

export type CapturedTableFacts = {
  readonly table: string
  /** `d`, `n`, `f` or `i`, as in `pg_class.relreplident`. */
  readonly replicaIdentity: string
  readonly hasPrimaryKey: boolean
  /** Columns whose large values an update does not write to the log when it leaves them alone. */
  readonly largeColumns: readonly string[]
}

/** What the relay is told, as far as it matters here. */
export type DoctorOptions = {
  readonly slotName: string
  readonly isFailoverWanted: boolean
  readonly snapshotMode: string
  readonly walBudgetBytes: number | undefined
}

export type Finding = {
  /** `error`: it cannot work, or events are in danger. `warning`: it works, and will hurt one day. */
  readonly level: 'ok' | 'warning' | 'error'
  readonly check: string
  readonly text: string
}

const OLDEST_SUPPORTED = 150_000
const FAILOVER_SINCE = 170_000
const LONG_TRANSACTION_SECONDS = 3_600
/** Hosts that synchronise are within some ten milliseconds. */
const CLOCK_OFFSET_MAX_MS = 1_000

/** Everything that was looked at, with what to do where something is wrong. */
export function findings(facts: SourceFacts, options: DoctorOptions): readonly Finding[] {
  return [
    ...serverFindings(facts),
    ...slotFindings(facts, options),
    ...facts.publications.flatMap(publicationFindings),
    ...facts.outboxTables.flatMap(outboxFindings),
    ...facts.capturedTables.flatMap(capturedFindings),
  ]
}

function serverFindings(facts: SourceFacts): readonly Finding[] {
  const { walLevel, role, serverVersionNumber, oldestTransactionSeconds } = facts
  const minutes = Math.round(oldestTransactionSeconds / 60)
  return [
    serverVersionNumber >= OLDEST_SUPPORTED
      ? ok('version', `PostgreSQL ${Math.floor(serverVersionNumber / 10_000)}`)
      : error('version', 'PostgreSQL 15 is the oldest that is supported'),
    walLevel === 'logical'
      ? ok('wal_level', 'logical')
      : error('wal_level', `it is ${walLevel}: set wal_level = logical and restart Postgres`),
    role.mayReplicate
      ? ok('role', `${role.name} may replicate`)
      : error('role', `${role.name} may not replicate: alter role ${role.name} with replication`),
    oldestTransactionSeconds < LONG_TRANSACTION_SECONDS
      ? ok('transactions', 'none has been running for an hour')
      : warning(
          'transactions',
          `one has been running for ${minutes} minutes: it keeps the log back`,
        ),
  ]
}

function slotFindings(facts: SourceFacts, options: DoctorOptions): readonly Finding[] {
  const found = [walBoundFinding(facts, options)]
  const { slot, maxReplicationSlots, replicationSlotCount, serverVersionNumber } = facts
  if (facts.idleSlotTimeoutSeconds > 0) {
    const timeout = `${facts.idleSlotTimeoutSeconds} s`
    const text = `idle_replication_slot_timeout is ${timeout}: a relay that is down for as long loses its slot; set it to 0`
    found.push(warning('idle slots', text))
  }
  if (slot === undefined) return [...found, absentSlotFinding(facts, options)]
  if (slot.walStatus === 'lost') {
    const text = `${options.slotName} has lost its WAL: "fairlead relay replay-table" makes a new one`
    return [...found, error('slot', text)]
  }
  const text = `${options.slotName}, WAL ${slot.walStatus}, read by ${slot.isActive ? 'a relay' : 'nobody'}`
  found.push(slot.isActive ? ok('slot', text) : warning('slot', text))
  if (replicationSlotCount >= maxReplicationSlots) {
    found.push(warning('slots', `all ${maxReplicationSlots} of max_replication_slots are used`))
  }
  if (options.isFailoverWanted && serverVersionNumber < FAILOVER_SINCE) {
    found.push(error('failover', 'slot.failover needs PostgreSQL 17 or later'))
  } else if (options.isFailoverWanted !== slot.isFailover) {
    const wanted = String(options.isFailoverWanted)
    const change = `ALTER_REPLICATION_SLOT ${options.slotName} (FAILOVER ${wanted})`
    const text = `slot.failover is ${wanted}, and the slot is not so: ${change} on a replication connection`
    found.push(warning('failover', text))
  }
  return found
}

function absentSlotFinding(facts: SourceFacts, { slotName, snapshotMode }: DoctorOptions): Finding {
  if (snapshotMode === 'initial_only') return ok('slot', 'none is needed for initial_only')
  return facts.replicationSlotCount < facts.maxReplicationSlots
    ? warning('slot', `there is no slot ${slotName} yet: a relay makes it at its first start`)
    : error('slot', 'there is none, and no room for one: raise max_replication_slots')
}

function walBoundFinding(facts: SourceFacts, { walBudgetBytes }: DoctorOptions): Finding {
  const { maxSlotWalKeepSizeBytes } = facts
  if (maxSlotWalKeepSizeBytes !== null) {
    return ok('WAL', 'max_slot_wal_keep_size bounds what a slot keeps back')
  }
  return walBudgetBytes === undefined
    ? warning(
        'WAL',
        'a relay that is down keeps the log back until the disk is full: set max_slot_wal_keep_size, or wal.budget.bytes',
      )
    : ok('WAL', 'wal.budget.bytes bounds what the slot keeps back')
}

function publicationFindings(publication: PublicationFacts): readonly Finding[] {
  const { name, exists, missingTables, publishesInserts, isViaRoot } = publication
  const check = `publication ${name}`
  if (!exists) return [warning(check, 'there is none yet: a relay makes it at its first start')]
  const found: Finding[] = []
  if (!publishesInserts) {
    found.push(error(check, `no inserts: alter publication ${name} set (publish = 'insert')`))
  }
  if (missingTables.length > 0) {
    const tables = missingTables.join(', ')
    found.push(error(check, `it lacks ${tables}: alter publication ${name} add table ${tables}`))
  }
  if (!isViaRoot) {
    const text = `partitions are published as themselves: alter publication ${name} set (publish_via_partition_root = true)`
    found.push(warning(check, text))
  }
  return found.length > 0 ? found : [ok(check, 'it has every table')]
}

function outboxFindings(facts: OutboxTableFacts): readonly Finding[] {
  const { table, exists, missingColumns, isCleaned } = facts
  if (!exists) return [error(table, 'there is no such table')]
  if (missingColumns.length > 0) {
    const text = `it has no column ${missingColumns.join(', ')}: see table.field.event.* and route.by.field`
    return [error(table, text)]
  }
  return [
    isCleaned
      ? ok(table, 'old rows are removed')
      : warning(
          table,
          `nobody removes old rows: see relay.partition_outbox and relay.delete_outbox, unless you do`,
        ),
  ]
}

function capturedFindings(facts: CapturedTableFacts): readonly Finding[] {
  const { table, replicaIdentity, hasPrimaryKey, largeColumns } = facts
  const hasIdentity =
    replicaIdentity === 'f' || replicaIdentity === 'i' || (replicaIdentity === 'd' && hasPrimaryKey)
  if (!hasIdentity) {
    const text = `no replica identity: Postgres refuses its updates and deletes while it is published. alter table ${table} replica identity full, or add a primary key`
    return [error(table, text)]
  }
  if (replicaIdentity === 'f' || largeColumns.length === 0) {
    return [ok(table, replicaIdentity === 'f' ? 'whole old rows are in the log' : 'it has a key')]
  }
  const text = `an update that leaves ${largeColumns.join(', ')} alone has unavailable.value.placeholder there when the value is large: alter table ${table} replica identity full puts it into the log`
  return [warning(table, text)]
}

/** Order and confirmation do not go by clocks; lags do, and so do partitions and times of events. */
export function clockFinding({ offsetMs, errorMs }: ClockOffset): Finding {
  const check = 'clocks'
  const offset = `${Math.abs(Math.round(offsetMs))} ms ${offsetMs < 0 ? 'behind' : 'ahead of'}`
  const text = `that of Postgres is ${offset} that of the relay, give or take ${Math.ceil(errorMs)} ms`
  if (Math.abs(offsetMs) - errorMs < CLOCK_OFFSET_MAX_MS) return ok(check, text)
  return warning(
    check,
    `${text}: outbox_relay_event_lag_seconds and outbox_relay_stage_received_seconds are wrong by that. Synchronise both hosts (NTP)`,
  )
}

function ok(check: string, text: string): Finding {
  return { level: 'ok', check, text }
}

function warning(check: string, text: string): Finding {
  return { level: 'warning', check, text }
}

function error(check: string, text: string): Finding {
  return { level: 'error', check, text }
}
