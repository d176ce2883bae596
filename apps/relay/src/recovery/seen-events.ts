import { EVENT_HEADERS } from '@fairlead/base'
import { scalarTextOf } from '@fairlead/cdc'
import { hash } from 'node:crypto'
import pg from 'pg'
import { headerText, readRecords } from '../sink/read-tail.ts'
import type { SinkClients } from '../sink/sink-clients.ts'
import { sinkFailure } from '../sink/sink-failure.ts'

/** Ids that are in memory at a time. */
const BATCH_IDS = 5_000

/**
 * Makes the table of the ids that are seen, for the transaction of the reader. It holds digests: anybody may write into
 * a topic, and no text of Postgres has a NUL, no place in an index a text of a few kilobytes.
 */
export async function createSeenIds(reader: pg.Client): Promise<void> {
  await reader.query('create temp table relay_seen (digest bytea primary key) on commit drop')
}

export async function noteSeenIds(reader: pg.Client, ids: readonly string[]): Promise<void> {
  await reader.query('insert into relay_seen select unnest($1::bytea[]) on conflict do nothing', [
    ids.map((id) => hash('sha256', id, 'buffer')),
  ])
}

/** An SQL condition over `event`, a row: its id was not noted. */
export function unseenCondition(idColumn: string): string {
  const id = `convert_to(event.${pg.escapeIdentifier(idColumn)}::text, 'UTF8')`
  return `not exists (select from relay_seen where relay_seen.digest = sha256(${id}))`
}

/**
 * Notes the ids of all events that the topics hold, from the time on. Events are stamped with the time of their row, or
 * later.
 */
export async function noteSeenEvents(
  reader: pg.Client,
  range: {
    readonly sink: SinkClients
    readonly topics: ReadonlySet<string>
    readonly sinceMs: number | null
    /** The id is in its header as JSON; in that of older records it may be as it is. */
    readonly areIdsJson: boolean
  },
): Promise<void> {
  for (const topic of range.topics) {
    const partitionCount = await known(range.sink.admin.partitionCount(topic))
    for (let partition = 0; partition < (partitionCount ?? 0); partition += 1) {
      await notePartition(reader, range, { topic, partition })
    }
  }
}

async function notePartition(
  reader: pg.Client,
  { sink, sinceMs, areIdsJson }: Omit<Parameters<typeof noteSeenEvents>[1], 'topics'>,
  place: { readonly topic: string; readonly partition: number },
): Promise<void> {
  const to = await known(sink.admin.listOffsets({ ...place, timestamp: 'logEnd' }))
  const timestamp = sinceMs ?? 'earliest'
  const from = await known(sink.admin.listOffsets({ ...place, timestamp }))
  if (from < 0) return
  for (let start = from; start < to; start += BATCH_IDS) {
    const ids: string[] = []
    const range = { ...place, from: start, to: Math.min(to, start + BATCH_IDS) }
    await known(
      readRecords(sink.reader, range, (record) => {
        const id = headerText(record, EVENT_HEADERS.id)
        if (id === undefined) return
        ids.push(id)
        const text = scalarTextOf(id)
        if (areIdsJson && text !== undefined) ids.push(text)
      }),
    )
    await noteSeenIds(reader, ids)
  }
}

/** Trouble of the brokers ends the session; the next one begins anew. */
async function known<Value>(answer: Promise<Value>): Promise<Value> {
  try {
    return await answer
  } catch (error) {
    throw sinkFailure(error)
  }
}
