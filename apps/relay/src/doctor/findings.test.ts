import { expect, test } from 'vitest'
import { type DoctorOptions, type SourceFacts, clockFinding, findings } from './findings.ts'

const WELL: SourceFacts = {
  serverVersionNumber: 180_004,
  walLevel: 'logical',
  maxSlotWalKeepSizeBytes: 1e9,
  maxReplicationSlots: 10,
  replicationSlotCount: 1,
  idleSlotTimeoutSeconds: 0,
  oldestTransactionSeconds: 5,
  role: { name: 'relay', mayReplicate: true },
  slot: { isActive: true, walStatus: 'reserved', isFailover: false },
  publications: [],
  outboxTables: [],
  capturedTables: [],
}

const OPTIONS: DoctorOptions = {
  slotName: 'relay',
  isFailoverWanted: false,
  snapshotMode: 'initial',
  walBudgetBytes: undefined,
}

const publication = {
  name: 'outbox',
  exists: true,
  publishesInserts: true,
  isViaRoot: true,
  missingTables: [],
}

function wrong(facts: Partial<SourceFacts>, options: Partial<DoctorOptions> = {}) {
  return findings({ ...WELL, ...facts }, { ...OPTIONS, ...options })
    .filter(({ level }) => level !== 'ok')
    .map(({ level, text }) => `${level}: ${text}`)
}

test('a source that is well has no fault', () => {
  expect(wrong({ publications: [publication] })).toEqual([])
})

test.for<{
  facts: Partial<SourceFacts>
  options?: Partial<DoctorOptions>
  text: string
}>([
  { facts: { serverVersionNumber: 140_011 }, text: 'error: PostgreSQL 15 is the oldest' },
  { facts: { walLevel: 'replica' }, text: 'error: it is replica: set wal_level = logical' },
  {
    facts: { role: { name: 'ann', mayReplicate: false } },
    text: 'error: ann may not replicate: alter role ann with replication',
  },
  {
    facts: { oldestTransactionSeconds: 7_200 },
    text: 'warning: one has been running for 120 minutes',
  },
  { facts: { maxSlotWalKeepSizeBytes: null }, text: 'warning: a relay that is down keeps the log' },
  { facts: { idleSlotTimeoutSeconds: 60 }, text: 'warning: idle_replication_slot_timeout is 60 s' },
  { facts: { slot: undefined }, text: 'warning: there is no slot relay yet' },
  {
    facts: { slot: undefined, replicationSlotCount: 10 },
    text: 'error: there is none, and no room for one',
  },
  {
    facts: { slot: { isActive: false, walStatus: 'lost', isFailover: false } },
    text: 'error: relay has lost its WAL',
  },
  {
    facts: { slot: { isActive: false, walStatus: 'reserved', isFailover: false } },
    text: 'warning: relay, WAL reserved, read by nobody',
  },
  { facts: { replicationSlotCount: 10 }, text: 'warning: all 10 of max_replication_slots' },
  {
    facts: { serverVersionNumber: 150_018 },
    options: { isFailoverWanted: true },
    text: 'error: slot.failover needs PostgreSQL 17',
  },
  {
    facts: { publications: [{ ...publication, exists: false }] },
    text: 'warning: there is none yet',
  },
  {
    facts: { publications: [{ ...publication, publishesInserts: false }] },
    text: 'error: no inserts: alter publication outbox',
  },
  {
    facts: { publications: [{ ...publication, isViaRoot: false }] },
    text: 'warning: partitions are published as themselves',
  },
  {
    facts: {
      outboxTables: [{ table: 'a.b', exists: false, missingColumns: [], isCleaned: false }],
    },
    text: 'error: there is no such table',
  },
  {
    facts: { outboxTables: [{ table: 'a.b', exists: true, missingColumns: [], isCleaned: false }] },
    text: 'warning: nobody removes old rows',
  },
])('$text', ({ facts, options, text }) => {
  expect(wrong(facts, options)).toEqual([expect.stringContaining(text) as string])
})

test('a budget of the relay bounds the log as well, and initial_only needs no slot', () => {
  expect(wrong({ maxSlotWalKeepSizeBytes: null }, { walBudgetBytes: 1e9 })).toEqual([])
  expect(wrong({ slot: undefined }, { snapshotMode: 'initial_only' })).toEqual([])
})

test.for([
  { offsetMs: 1_500, errorMs: 3, level: 'warning', text: '1500 ms ahead of that of the relay' },
  { offsetMs: -3_600_000, errorMs: 3, level: 'warning', text: '3600000 ms behind that of' },
  // It may be that much, and need not.
  { offsetMs: 1_500, errorMs: 600, level: 'ok', text: 'give or take 600 ms' },
  { offsetMs: -2.4, errorMs: 1.5, level: 'ok', text: '2 ms behind' },
])('clocks that are $offsetMs ms apart: $level', ({ offsetMs, errorMs, level, text }) => {
  const contained = expect.stringContaining(text) as string
  expect(clockFinding({ offsetMs, errorMs })).toMatchObject({ level, text: contained })
})
