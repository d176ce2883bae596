import type { PublicationFacts } from '../doctor/findings.ts'
import { findings } from '../doctor/findings.ts'
import type { RelayOptions } from '../options.ts'
import { slotLostReason } from '../source/slot.ts'
import { type PlanStep, stepsOf } from './plan-step.ts'
import type { PlanFacts, TableSize } from './read-plan-facts.ts'

/** Made by the first of our migrations. */
const OUTBOX_TABLE = 'outbox.events'
const SERVER_CHECKS: readonly string[] = ['version', 'wal_level', 'role']

/** What a start finds in the database, makes and changes there, in the order of the start. */
export function sourceSteps(facts: PlanFacts, options: RelayOptions): readonly PlanStep[] {
  const isReadOnce = options.source.snapshotMode === 'initial_only'
  return [
    ...(isReadOnce ? [] : serverSteps(facts, options)),
    ...migrationSteps(facts),
    ...(isReadOnce ? [] : publicationSteps(facts, options)),
    ...columnSteps(facts),
    ...(isReadOnce ? readOnceSteps(facts) : slotSteps(facts, options)),
    ...(isReadOnce ? [] : snapshotSteps(facts, options)),
    ...orderSteps(facts),
    ...parkedSteps(facts, options),
    ...rotationSteps(facts),
  ]
}

function serverSteps(facts: PlanFacts, { source, wal }: RelayOptions): readonly PlanStep[] {
  const step = stepsOf('server')
  const wrong = findings(facts.source, {
    slotName: source.slotName,
    isFailoverWanted: source.failover,
    snapshotMode: source.snapshotMode,
    walBudgetBytes: wal.budget.budgetBytes,
  }).filter(({ level, check }) => level === 'error' && SERVER_CHECKS.includes(check))
  return wrong.map(({ check, text }) => step('halt', check, text))
}

function migrationSteps({ pendingMigrations }: PlanFacts): readonly PlanStep[] {
  const step = stepsOf('migration')
  return pendingMigrations.map((name) => step('create', name, 'is applied'))
}

function publicationSteps(facts: PlanFacts, { source }: RelayOptions): readonly PlanStep[] {
  const step = stepsOf('publication')
  return facts.source.publications.map((publication) => {
    const { name } = publication
    const isOutbox = name === source.publicationName
    const tables = (isOutbox ? facts.outboxTables : facts.capturedTables).map(({ table }) => table)
    const fault = publicationFault(facts, publication, tables, isOutbox)
    if (fault !== undefined) return step('halt', name, fault)
    const operations = isOutbox ? 'inserts' : 'all changes'
    return publication.exists
      ? step('keep', name, `has ${tables.join(', ')}`)
      : step('create', name, `for ${operations} of ${tables.join(', ')}, published as their roots`)
  })
}

/** As the start of a relay checks it: a publication is made with its slot, and never altered. */
function publicationFault(
  facts: PlanFacts,
  { name, exists, publishesInserts, missingTables }: PublicationFacts,
  tables: readonly string[],
  isOutbox: boolean,
): string | undefined {
  if (!isOutbox && tables.length === 0) {
    return 'capture.table.include.list matches no table of the database'
  }
  if (!exists && facts.slot !== undefined) {
    return 'the slot exists and the publication does not: a slot cannot read what was written before its publication existed'
  }
  const absent = facts.outboxTables.filter((one) => isOutbox && isAbsent(one, facts))
  if (!exists && absent.length > 0) {
    return `there is no table ${absent.map(({ table }) => table).join(', ')}`
  }
  if (!exists) return undefined
  if (!publishesInserts) {
    return `no inserts: alter publication ${name} set (publish = 'insert')`
  }
  if (missingTables.length === 0) return undefined
  const missing = missingTables.join(', ')
  return `it lacks ${missing}: alter publication ${name} add table ${missing}`
}

function isAbsent({ table, exists }: TableSize, { pendingMigrations }: PlanFacts): boolean {
  return !exists && !(table === OUTBOX_TABLE && pendingMigrations.length > 0)
}

function columnSteps(facts: PlanFacts): readonly PlanStep[] {
  const step = stepsOf('table')
  return facts.source.outboxTables.flatMap(({ table, exists, missingColumns }) =>
    exists && missingColumns.length > 0
      ? [step('halt', table, `has no column ${missingColumns.join(', ')}`)]
      : [],
  )
}

function slotSteps(facts: PlanFacts, { source }: RelayOptions): readonly PlanStep[] {
  const step = stepsOf('slot')
  const { slotName, failover, snapshotMode } = source
  const { slot, notes } = facts
  if (slot !== undefined && (slot.plugin !== 'pgoutput' || !slot.isOurs)) {
    const owner = `plugin ${slot.plugin}, database ${slot.database}`
    return [step('halt', slotName, `belongs to ${owner}: choose another slot.name`)]
  }
  const lost = lostReason(facts)
  if (lost !== undefined) {
    const isReplaced =
      snapshotMode === 'when_needed' || facts.orders.some(({ type }) => type === 'replay-table')
    return isReplaced
      ? [step('change', slotName, `${lost}: it is made anew, and what is missing published`)]
      : [step('halt', slotName, slotLostReason(slotName, lost))]
  }
  const kind = failover ? ', which standbys keep in sync' : ''
  if (slot === undefined) {
    const { maxReplicationSlots, replicationSlotCount } = facts.source
    return replicationSlotCount >= maxReplicationSlots
      ? [step('halt', slotName, 'there is no room for it: raise max_replication_slots')]
      : [step('create', slotName, `with pgoutput${kind}`)]
  }
  if (notes?.state === 'creating') {
    return [step('change', slotName, 'the relay that made it died meanwhile: it is made anew')]
  }
  const place = `confirmed up to ${slot.confirmedLsn}, keeps back ${slot.retainedBytes ?? 'unknown'} bytes`
  const steps = [
    slot.reader === undefined
      ? step('keep', slotName, place)
      : step('wait', slotName, `${place}; ${slot.reader} reads it: a start stands by`),
  ]
  if (slot.isFailover !== failover) {
    const text = `slot.failover is ${failover}, and the slot is not so: a start leaves it as it is`
    steps.push(step('keep', slotName, text))
  }
  return steps
}

function lostReason({ slot, notes }: PlanFacts): string | undefined {
  if (notes?.droppedReason !== undefined && notes.droppedReason !== null) {
    return `was dropped by the relay (${notes.droppedReason})`
  }
  if (slot === undefined) return notes?.state === 'created' ? 'does not exist any more' : undefined
  if (slot.walStatus === 'lost') return 'has lost its WAL'
  return notes?.isSlotAhead === true
    ? `stands at ${slot.confirmedLsn}, and only ${notes.notedLsn} was ever confirmed`
    : undefined
}

/** Rows that are older than the slot; see `publishEarlierRows`, and `snapshot.mode=always`. */
function snapshotSteps(facts: PlanFacts, options: RelayOptions): readonly PlanStep[] {
  const step = stepsOf('snapshot')
  const { snapshotMode } = options.source
  if (snapshotMode === 'no_data' || lostReason(facts) !== undefined) return []
  const isSlotNew = facts.slot === undefined || facts.notes?.state === 'creating'
  const outbox = facts.outboxTables.flatMap((one) =>
    isSlotNew && one.exists
      ? [step('publish', one.table, `${rowsText(one)}, written anew behind the slot`)]
      : [],
  )
  const isCapturedRead = isSlotNew || snapshotMode === 'always'
  const captured = facts.capturedTables.map((one) =>
    step('publish', one.table, chunksText(one, options.snapshotChunkRowsMax)),
  )
  return [...outbox, ...(isCapturedRead ? captured : [])]
}

function readOnceSteps({ notes, outboxTables, capturedTables }: PlanFacts): readonly PlanStep[] {
  const step = stepsOf('snapshot')
  if (notes?.state === 'snapshot' || notes?.state === 'created') {
    return [step('keep', '', 'the tables were read before: nothing is published')]
  }
  return [...outboxTables, ...capturedTables].flatMap((one) =>
    one.exists ? [step('publish', one.table, `${rowsText(one)}, as they are at one moment`)] : [],
  )
}

function rowsText({ estimatedRows, sizeBytes }: TableSize): string {
  return estimatedRows === null
    ? `${sizeBytes} bytes of rows, which nobody has counted (analyze)`
    : `about ${Math.round(estimatedRows)} rows`
}

function chunksText(size: TableSize, rowsMax: number): string {
  if (size.estimatedRows === null) return `${rowsText(size)}, in chunks of ${rowsMax}`
  const chunkCount = Math.ceil(size.estimatedRows / rowsMax)
  return `${rowsText(size)}, in ${chunkCount} chunks of up to ${rowsMax}`
}

function orderSteps({ orders }: PlanFacts): readonly PlanStep[] {
  const step = stepsOf('order')
  return orders.map(({ signalId, type }) => step('change', signalId, `${type} is carried out`))
}

function parkedSteps({ parkedKeyCount }: PlanFacts, options: RelayOptions): readonly PlanStep[] {
  const step = stepsOf('parked')
  const max = options.parkedKeysMax
  if (parkedKeyCount === 0) return []
  const text = `${parkedKeyCount} aggregates are parked`
  return parkedKeyCount > max
    ? [step('halt', '', `${text}, more than parked.keys.max (${max})`)]
    : [step('keep', '', `${text}: their events wait for a replay`)]
}

function rotationSteps({ rotations }: PlanFacts): readonly PlanStep[] {
  const step = stepsOf('partition')
  const time = (ms: number) => new Date(ms).toISOString()
  return rotations.flatMap(({ table, create, retire }) => [
    ...create.map(({ fromMs, toMs }) =>
      step('create', table, `from ${time(fromMs)} to ${time(toMs)}`),
    ),
    ...retire.map((name) =>
      step('change', table, `${name} is old enough: it is dropped once every slot is past it`),
    ),
  ])
}
