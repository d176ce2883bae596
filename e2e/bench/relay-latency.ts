import { setTimeout as delay } from 'node:timers/promises'
import { lsn } from '@fairlead/base'
import { PgOutputDecoder, encodeStandbyStatus } from '@fairlead/cdc'
import { createReader } from '@fairlead/kafka'
import { ReplicationConnection, createPool } from '@fairlead/postgres'
import type { BenchRow } from './report.ts'

const TRANSACTIONS_PER_SECOND = 500
const SECONDS = 12
/** What the first transactions meet is code that is not compiled yet. */
const WARM_UP_SECONDS = 4
const WRITERS = 8
const SETTLE_MS = 1_000
const FETCH = { maxWaitMs: 500, maxBytes: 1_048_576 }
const WAL_SENDER_TIMEOUT_MS = 60_000
/** p99 of the relay may be so many times that of the bare reader, and so much more. */
const P99_FACTOR = 1.5
const P99_ALLOWANCE_MS = 10

export type LatencySetting = {
  readonly databaseUrl: string
  readonly brokerAddress: string
  readonly publication: string
  readonly aggregateType: string
  readonly topic: string
  /** Exists, and nobody reads it. */
  readonly baselineSlot: string
}

/**
 * From the commit of a transaction until a bare reader has received it, and until a consumer of the
 * topic has it; both of the same transactions, from Postgres' own commit time, in whole milliseconds.
 */
export async function measureLatency(setting: LatencySetting): Promise<readonly BenchRow[]> {
  const received: number[] = []
  const consumed: number[] = []
  const isWarm = performance.now() + WARM_UP_SECONDS * 1_000
  const note = (latencies: number[], commitTimestampMs: number) => {
    if (performance.now() > isWarm) latencies.push(Date.now() - commitTimestampMs)
  }
  const connection = await readSlot(setting, (commitMs) => note(received, commitMs))
  const ended = new AbortController()
  const consuming = consume(setting, ended.signal, (commitMs) => note(consumed, commitMs))
  await writeTransactions(setting)
  await delay(SETTLE_MS)
  ended.abort()
  await Promise.all([consuming, connection.close()])
  const rows = (share: number, label: string): BenchRow[] => {
    const base = percentile(received, share)
    const baseline = `commit to received, bare reader, ${label}`
    const bar = { atMost: (P99_FACTOR * base + P99_ALLOWANCE_MS) / base }
    return [
      { name: baseline, rate: base, unit: 'ms' },
      {
        name: `commit to consumable, relay, ${label}`,
        rate: percentile(consumed, share),
        unit: 'ms',
        baseline,
        ...(label === 'p99' ? { bar } : {}),
      },
    ]
  }
  return [...rows(0.5, 'p50'), ...rows(0.99, 'p99')]
}

async function readSlot(
  setting: LatencySetting,
  onCommit: (commitTimestampMs: number) => void,
): Promise<ReplicationConnection> {
  const decoder = new PgOutputDecoder()
  const connection: ReplicationConnection = await ReplicationConnection.open({
    url: setting.databaseUrl,
    slotName: setting.baselineSlot,
    publicationNames: [setting.publication],
    startLsn: lsn(0n),
    applicationName: 'bench-reader',
    walSenderTimeoutMs: WAL_SENDER_TIMEOUT_MS,
    onMessage: (bytes) => {
      const message = decoder.decode(bytes)
      if (message.kind === 'commit') onCommit(message.commitTimestampMs)
    },
    onKeepalive: ({ walEnd, replyRequested }) => {
      if (!replyRequested) return
      const position = { receivedLsn: walEnd, confirmedLsn: walEnd }
      connection.sendStatus(encodeStandbyStatus({ ...position, wallNowMs: Date.now() }))
    },
  })
  return connection
}

async function consume(
  { brokerAddress, topic }: LatencySetting,
  signal: AbortSignal,
  onCommit: (commitTimestampMs: number) => void,
): Promise<void> {
  const reader = createReader({ bootstrapServers: [brokerAddress], clientId: 'bench-consumer' })
  for (let fromOffset = 0; !signal.aborted; ) {
    const fetched = await reader.fetch({ topic, partition: 0, fromOffset, ...FETCH })
    for (const { headers } of fetched.records) {
      const value = headers.find(([name]) => name === 'cdc.ts')?.[1]
      onCommit(Number(Buffer.from(value ?? []).toString()))
    }
    fromOffset = fetched.nextOffset
  }
  await reader.close()
}

/** One row a transaction, at an even rate over all writers. */
async function writeTransactions({ databaseUrl, aggregateType }: LatencySetting): Promise<void> {
  const pool = createPool({ url: databaseUrl, max: WRITERS, applicationName: 'bench-writers' })
  const intervalMs = (1_000 * WRITERS) / TRANSACTIONS_PER_SECOND
  const countEach = Math.round((SECONDS * 1_000) / intervalMs)
  const startedMs = performance.now()
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let count = 0; count < countEach; count += 1) {
        const dueMs = startedMs + (count + writer / WRITERS) * intervalMs
        const aheadMs = dueMs - performance.now()
        if (aheadMs > 0) await delay(aheadMs)
        await pool.query(
          `insert into outbox.events (aggregatetype, aggregateid, type, payload)
           values ($1, $2, 'Happened', decode(repeat('7f', 230), 'hex'))`,
          [aggregateType, `key-${writer}`],
        )
      }
    }),
  )
  await pool.end()
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
