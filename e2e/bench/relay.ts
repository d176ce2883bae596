import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Admin, createAdmin } from '@fairlead/kafka'
import pg from 'pg'
import { RunningApp } from '../support/running-app.ts'
import type { BenchOptions } from './options.ts'
import { poll } from './poll.ts'
import { measureLatency } from './relay-latency.ts'
import { type BenchRow, median } from './report.ts'
import { sectionsOf } from './sections.ts'
import {
  type RunningBroker,
  createTopic,
  startBroker,
  startPostgres,
  temporaryDirectory,
} from './services.ts'
import { type Usage, usageBetween, usageOf } from './usage.ts'

/** Long enough for the rate of a backlog: the start of a relay takes half a second of the first rows. */
const CASES = [
  { name: '100 rows a transaction', rowCount: 600_000, rowsPerTransaction: 100 },
  { name: '1 row a transaction', rowCount: 150_000, rowsPerTransaction: 1 },
] as const
/** One transaction, larger than what the relay may have in memory by far. */
const LARGE = { name: '1,000,000 rows in one transaction', rowCount: 1_000_000 } as const
const LARGE_RATIO_MIN = 0.5
const RATIO_MIN = 0.6
const PAYLOAD_BYTES = 230
const KEY_COUNT = 10_000
const PARTITIONS = 4
const PUBLICATION = 'fairlead_outbox'
const AGGREGATE_TYPE = 'bench'
const SLOT_POLL_MS = 2
const OFFSETS_POLL_MS = 10

const RECVLOGICAL = 'pg_recvlogical'
const RECVLOGICAL_MISSING = `${RECVLOGICAL} is not on the PATH, so there is no baseline: install postgresql-client-15 (Debian)`

type Case = {
  readonly name: string
  readonly rowCount: number
  readonly rowsPerTransaction: number
}

type Setting = {
  readonly databaseUrl: string
  readonly client: pg.Client
  readonly broker: RunningBroker
  readonly admin: Admin
}

const SECTIONS: Readonly<
  Record<string, (setting: Setting, rounds: number) => Promise<readonly BenchRow[]>>
> = {
  backlog: relayBacklogs,
  large: relayLargeTransaction,
  latency: latencies,
}
export const RELAY_SECTIONS = Object.keys(SECTIONS)

/** Rows through the relay to the broker, against a client that throws the same WAL away; `--only` a section. */
export async function* benchRelay({
  only,
  rounds,
}: Pick<BenchOptions, 'only' | 'rounds'>): AsyncIterable<readonly BenchRow[]> {
  const sections = sectionsOf(SECTIONS, only)
  using directory = await temporaryDirectory()
  await using postgres = await startPostgres(join(directory.path, 'postgres'))
  await using broker = await startBroker(join(directory.path, 'kafka'), 'group')
  const client = new pg.Client({ connectionString: postgres.url })
  const admin = createAdmin({ bootstrapServers: [broker.address], clientId: 'bench' })
  await client.connect()
  try {
    for (const section of sections) {
      yield await section({ databaseUrl: postgres.url, client, broker, admin }, rounds)
    }
  } finally {
    await admin.close()
    await client.end()
  }
}

async function relayBacklogs(setting: Setting, rounds: number): Promise<readonly BenchRow[]> {
  const hasBaseline = await isInstalled(RECVLOGICAL)
  if (!hasBaseline) console.log(RECVLOGICAL_MISSING)
  const rows: BenchRow[] = []
  for (const [index, workload] of CASES.entries()) {
    const options = { label: `case${index}`, rounds, hasBaseline }
    rows.push(...(await compare(setting, workload, options)))
  }
  return rows
}

async function compare(
  setting: Setting,
  workload: Case,
  options: {
    readonly label: string
    readonly rounds: number
    readonly hasBaseline: boolean
  },
): Promise<BenchRow[]> {
  const { client } = setting
  const { label, hasBaseline } = options
  const rounds = Array.from({ length: options.rounds }, (_, round) => `${label}_${round}`)
  // A slot gives what is written after it was made, and is used up by being read: one for each round.
  for (const round of rounds) await makeSlots(setting, round)
  const endLsn = await writeRows(client, workload)
  const rates: number[] = []
  const baselineRates: number[] = []
  let usage: Usage | undefined
  for (const round of rounds) {
    if (hasBaseline) {
      const seconds = await receive(setting, baselineSlot(round), endLsn)
      baselineRates.push(workload.rowCount / seconds)
    }
    const relayed = await relay(setting, round, workload.rowCount)
    rates.push(workload.rowCount / relayed.seconds)
    usage = relayed.usage
  }
  await client.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots')
  const baseline = `${workload.name}, pg_recvlogical to /dev/null`
  const unit = 'rows/s'
  return [
    ...(hasBaseline ? [{ name: baseline, rate: median(baselineRates), unit }] : []),
    {
      name: `${workload.name}, relay to the broker`,
      rate: median(rates),
      unit,
      baseline,
      bar: { atLeast: RATIO_MIN },
      ...(usage === undefined ? {} : { usage }),
    },
  ]
}

/** Its rate against that of small transactions; its memory is what matters. */
async function relayLargeTransaction(setting: Setting): Promise<readonly BenchRow[]> {
  const { client } = setting
  const round = 'large'
  const small = await compare(setting, CASES[0], { label: 'small', rounds: 1, hasBaseline: false })
  await makeSlots(setting, round)
  await writeRows(client, { ...LARGE, rowsPerTransaction: LARGE.rowCount })
  const { seconds, usage } = await relay(setting, round, LARGE.rowCount)
  await client.query('select pg_drop_replication_slot(slot_name) from pg_replication_slots')
  const row: BenchRow = {
    name: `${LARGE.name}, relay to the broker`,
    rate: LARGE.rowCount / seconds,
    unit: 'rows/s',
    baseline: `${CASES[0].name}, relay to the broker`,
    bar: { atLeast: LARGE_RATIO_MIN },
    usage,
  }
  return [...small, row]
}

/** At a rate that leaves everybody time. */
async function latencies(setting: Setting): Promise<readonly BenchRow[]> {
  const round = 'latency'
  await makeSlots(setting, round, 1)
  // The pages of a million rows are written now, and not while latencies are measured.
  await setting.client.query('checkpoint')
  await using app = launchRelay(setting, round)
  await app.ready()
  return await measureLatency({
    databaseUrl: setting.databaseUrl,
    brokerAddress: setting.broker.address,
    publication: PUBLICATION,
    aggregateType: AGGREGATE_TYPE,
    topic: topicOf(round),
    baselineSlot: baselineSlot(round),
  })
}

/** The relay makes its own slot and publication: it starts, and stops with nothing to do. */
async function makeSlots(setting: Setting, round: string, partitions = PARTITIONS): Promise<void> {
  const app = launchRelay(setting, round)
  await app.ready()
  await app.stop()
  await createTopic(setting.broker, topicOf(round), partitions)
  await setting.client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [
    baselineSlot(round),
  ])
}

/** Inserts the rows; answers the LSN behind the last of them. */
async function writeRows(client: pg.Client, workload: Case): Promise<string> {
  const { rowCount, rowsPerTransaction } = workload
  await client.query('set synchronous_commit = off')
  await client.query(`
    do $$ begin
      for number in 1..${rowCount / rowsPerTransaction} loop
        insert into outbox.events (aggregatetype, aggregateid, type, payload)
        select '${AGGREGATE_TYPE}', 'key-' || floor(random() * ${KEY_COUNT}), 'Happened',
          decode(repeat('7f', ${PAYLOAD_BYTES}), 'hex')
        from generate_series(1, ${rowsPerTransaction});
        commit;
      end loop;
    end $$`)
  await client.query('set synchronous_commit = on')
  // A commit that is waited for: everything before it is on disk, where the decoder may read it.
  await client.query('create table if not exists public.written (); drop table public.written')
  const { rows } = await client.query<{ lsn: string }>('select pg_current_wal_flush_lsn() as lsn')
  return rows[0]?.lsn ?? ''
}

/** Seconds from the moment the slot is read until the baseline has received everything. */
async function receive(setting: Setting, slot: string, endLsn: string): Promise<number> {
  const child = spawn(
    RECVLOGICAL,
    [
      '--start',
      '--no-loop',
      `--dbname=${setting.databaseUrl}`,
      `--slot=${slot}`,
      `--endpos=${endLsn}`,
      '--file=/dev/null',
      '--option=proto_version=1',
      `--option=publication_names=${PUBLICATION}`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const kill = () => child.kill()
  process.once('exit', kill)
  const exit = once(child, 'exit')
  await slotIsRead(setting.client, slot)
  const startedMs = performance.now()
  const [code] = (await exit) as [number | null]
  process.off('exit', kill)
  if (code !== 0) throw new Error(`${RECVLOGICAL} ended with code ${code}`)
  return (performance.now() - startedMs) / 1_000
}

/** From the moment the slot is read until the broker has made every row durable. */
async function relay(
  setting: Setting,
  round: string,
  rowCount: number,
): Promise<{ readonly seconds: number; readonly usage: Usage }> {
  await using app = launchRelay(setting, round)
  await slotIsRead(setting.client, relaySlot(round))
  const before = usageOf(app.pid)
  const startedMs = performance.now()
  await poll('all rows on the topic', OFFSETS_POLL_MS, async () =>
    (await recordCount(setting.admin, topicOf(round))) >= rowCount ? true : undefined,
  )
  const seconds = (performance.now() - startedMs) / 1_000
  return { seconds, usage: usageBetween(before, usageOf(app.pid)) }
}

function launchRelay(setting: Setting, round: string): RunningApp {
  return RunningApp.launch('apps/relay/src/main.ts', {
    'database.url': setting.databaseUrl,
    'bootstrap.servers': setting.broker.address,
    'slot.name': relaySlot(round),
    'publication.name': PUBLICATION,
    'route.topic.replacement': topicOf(round),
    // The rows of the rounds before are in the table, and would be published first.
    'snapshot.mode': 'no_data',
  })
}

async function slotIsRead(client: pg.Client, slot: string): Promise<void> {
  await poll(`slot ${slot} to be read`, SLOT_POLL_MS, async () => {
    const { rows } = await client.query(
      'select from pg_replication_slots where slot_name = $1 and active',
      [slot],
    )
    return rows[0]
  })
}

async function recordCount(admin: Admin, topic: string): Promise<number> {
  let count = 0
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    count += await admin.listOffsets({ topic, partition, timestamp: 'latest' })
  }
  return count
}

async function isInstalled(command: string): Promise<boolean> {
  const child = spawn(command, ['--version'], { stdio: 'ignore' })
  return new Promise((resolve) => {
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
  })
}

function baselineSlot(round: string): string {
  return `baseline_${round}`
}

function relaySlot(round: string): string {
  return `relay_${round}`
}

function topicOf(round: string): string {
  return `outbox.event.${round}`
}
