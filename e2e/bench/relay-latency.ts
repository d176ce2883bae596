import { setTimeout as delay } from 'node:timers/promises'
import { lsn } from '@fairlead/base'
import { PgOutputDecoder, encodeStandbyStatus } from '@fairlead/cdc'
import { createReader } from '@fairlead/kafka'
import { ReplicationConnection, createPool } from '@fairlead/postgres'
import { waitFor } from '../support/wait-for.ts'
import type { BenchRow } from './report.ts'

const TRANSACTIONS_PER_SECOND = 500
const SECONDS = 12
const WARM_UP_SECONDS = 4
const WRITERS = 8
/** Both have to see every transaction: a disk that is busy with what was before delays one of them. */
const ALL_SEEN_DEADLINE_MS = 60_000
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
  const note = (latencies: number[], commitTimestampMs: number) => {
    latencies.push(Date.now() - commitTimestampMs)
  }
  const connection = await readSlot(setting, (commitMs) => note(received, commitMs))
  const ended = new AbortController()
  const consuming = consume(setting, ended.signal, (commitMs) => note(consumed, commitMs))
  const count = await writeTransactions(setting)
  await waitFor('every transaction at the consumer and the reader', ALL_SEEN_DEADLINE_MS, () => {
    return received.length >= count && consumed.length >= count
  })
  ended.abort()
  await Promise.all([consuming, connection.close()])
  // What the first transactions meet is code that is not compiled yet.
  const warm = (latencies: readonly number[]) =>
    latencies.slice(WARM_UP_SECONDS * TRANSACTIONS_PER_SECOND)
  const rows = (share: number, label: string): BenchRow[] => {
    const base = percentile(warm(received), share)
    const baseline = `commit to received, bare reader, ${label}`
    const bar = { atMost: (P99_FACTOR * base + P99_ALLOWANCE_MS) / base }
    return [
      { name: baseline, rate: base, unit: 'ms' },
      {
        name: `commit to consumable, relay, ${label}`,
        rate: percentile(warm(consumed), share),
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
    onRead: () => undefined,
    onMessage: (bytes, start, end) => {
      const message = decoder.decode(bytes, start, end)
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

/** One row a transaction, at an even rate over all writers; answers how many there were. */
async function writeTransactions({ databaseUrl, aggregateType }: LatencySetting): Promise<number> {
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
  return countEach * WRITERS
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
