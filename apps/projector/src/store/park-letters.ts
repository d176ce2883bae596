import { EVENT_HEADERS } from '@fairlead/base'
import {
  type BatchLedger,
  type Letter,
  type LogRecord,
  headersText,
  nextTryDelayMs,
  parkedRetryOf,
} from '@fairlead/projection'
import { schemaIdOf } from '@fairlead/serde'
import { type Kysely, type Transaction, sql } from 'kysely'
import { RANDOM } from '../pause.ts'
import { arrayText } from './array-text.ts'
import { storableTime } from './event-time.ts'
import { type TopicOfProjection, isOfTopic, ownerColumns } from './letter-owner.ts'
import type { ProjectionPartition } from './registered-projection.ts'

/** Letters of one statement: each has up to a whole record in it. */
const LETTERS_PER_INSERT_MAX = 500
const LETTER_BYTES_PER_INSERT_MAX = 16_777_216

/** Somebody has changed or unparked keys meanwhile: what the worker knows of them is to be read again. */
export class StaleKeysError extends Error {
  override readonly name = 'StaleKeysError'
}

/** The parked keys of a topic, of every partition: with a new partition, keys arrive at another one. */
export async function loadParkedKeys(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
  { limit }: { readonly limit: number },
): Promise<Set<string>> {
  const { rows } = await sql<{ key: string }>`
    select key from evt.parked_key where ${isOfTopic(partition)} limit ${limit}`.execute(db)
  return new Set(rows.map(({ key }) => key))
}

/** Whether the topic has any. */
export async function hasParkedKeys(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
): Promise<boolean> {
  const { rows } = await sql`
    select from evt.parked_key where ${isOfTopic(partition)} limit 1`.execute(db)
  return rows.length > 0
}

/** Those of the keys that are parked. */
export async function findParkedKeys(
  db: Kysely<unknown>,
  partition: ProjectionPartition,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ key: string }>`
    select key from evt.parked_key
    where ${isOfTopic(partition)} and key_md5 = any(select md5(unnest(${keys}::text[])))`.execute(
    db,
  )
  return new Set(rows.map(({ key }) => key))
}

/**
 * Stores what a batch sets aside, of any partitions, in the order of the letters. A letter that is there already
 * stays as it is.
 *
 * @throws {StaleKeysError} when a key that events were set aside for is not parked any more.
 */
export async function parkLetters(
  trx: Transaction<unknown>,
  owner: TopicOfProjection,
  setAside: Pick<BatchLedger, 'letters' | 'parkedKeys'>,
): Promise<void> {
  const { letters: all, parkedKeys } = setAside
  const seenIn = new Map(all.map(({ key, record }) => [key, record.partition]))
  await holdKeys(trx, owner, new Map([...seenIn].filter(([key]) => !parkedKeys.has(key))))
  if (parkedKeys.size > 0) {
    const keys = [...keysParkedBy(setAside).values()]
    await sql`
      insert into evt.parked_key (projection_id, version, topic, part, key, tenant, next_try_at)
      select ${ownerColumns(owner)}, part, key, tenant,
        clock_timestamp() + delay_ms * interval '1 ms'
      from unnest(${keys.map(({ key }) => seenIn.get(key))}::int[],
        ${keys.map(({ key }) => key)}::text[], ${keys.map(({ tenant }) => tenant)}::text[],
        ${keys.map((letter) => firstTryDelayMs(owner, letter))}::float8[])
        as parked(part, key, tenant, delay_ms) order by md5(key)
      on conflict (projection_id, version, topic, key_md5)
        do update set part = excluded.part`.execute(trx)
  }
  for (const letters of inPortions(all)) await insertLetters(trx, owner, letters)
}

/** A parameter per column, whatever the number of letters. */
async function insertLetters(
  trx: Transaction<unknown>,
  owner: TopicOfProjection,
  letters: readonly Letter[],
): Promise<void> {
  const rows = letters.map(letterValues)
  const columns = Object.entries(LETTER_COLUMNS) as [keyof LetterValues, string][]
  const names = sql.join(columns.map(([name]) => sql.ref(name)))
  const arrays = columns.map(
    ([name, type]) => sql`${arrayText(rows.map((row) => row[name]))}::${sql.raw(type)}[]`,
  )
  await sql`
    insert into evt.dead_letter (projection_id, version, topic, ${names})
    select ${ownerColumns(owner)}, letter.*
    from unnest(${sql.join(arrays)}) as letter (${names})
    on conflict (projection_id, version, topic, part, log_offset) do nothing`.execute(trx)
}

/**
 * Keeps keys parked until the transaction ends, and makes the partition that each was seen in last the one
 * that its letters are drained in: without this, a drain that ends meanwhile in another partition would
 * leave an event behind that nobody ever looks at.
 */
async function holdKeys(
  trx: Transaction<unknown>,
  owner: TopicOfProjection,
  seenIn: ReadonlyMap<string, number>,
): Promise<void> {
  if (seenIn.size === 0) return
  const keys = [...seenIn.keys()]
  const { rows } = await sql<{ key: string; part: number }>`
    select key, part from evt.parked_key
    where ${isOfTopic(owner)} and key_md5 = any(select md5(unnest(${keys}::text[])))
    order by key_md5 for update`.execute(trx)
  if (rows.length < keys.length) throw new StaleKeysError('a key is not parked any more')
  const moved = rows
    .map(({ key }) => key)
    .filter((key, index) => rows[index]?.part !== seenIn.get(key))
  if (moved.length === 0) return
  await sql`
    update evt.parked_key k set part = seen.part
    from unnest(${moved}::text[], ${moved.map((key) => seenIn.get(key))}::int[]) as seen (key, part)
    where ${isOfTopic(owner)} and k.key_md5 = md5(seen.key)`.execute(trx)
}

/** Letters by what one statement takes: so many, or so many bytes of them. */
export function* inPortions(letters: readonly Letter[]): Generator<readonly Letter[]> {
  let portion: Letter[] = []
  let bytes = 0
  for (const letter of letters) {
    const size = letter.record.value?.length ?? 0
    const isFull =
      portion.length === LETTERS_PER_INSERT_MAX || bytes + size > LETTER_BYTES_PER_INSERT_MAX
    if (isFull && portion.length > 0) {
      yield portion
      portion = []
      bytes = 0
    }
    portion.push(letter)
    bytes += size
  }
  if (portion.length > 0) yield portion
}

/** By key: the letters that park keys. */
function keysParkedBy({
  letters,
  parkedKeys,
}: Pick<BatchLedger, 'letters' | 'parkedKeys'>): ReadonlyMap<string, Letter> {
  const failed = letters.filter(({ key, cause }) => cause.kind === 'failed' && parkedKeys.has(key))
  return new Map(failed.map((letter) => [letter.key, letter]))
}

function firstTryDelayMs({ projection }: TopicOfProjection, { cause }: Letter): number | null {
  const mayPass = cause.kind === 'failed' && cause.mayPass
  return nextTryDelayMs(parkedRetryOf(projection), { mayPass, timedTries: 0 }, RANDOM)
}

const LETTER_COLUMNS = {
  part: 'int',
  key: 'text',
  tenant: 'text',
  log_offset: 'bigint',
  event_type: 'text',
  message_id: 'text',
  schema_id: 'int',
  traceparent: 'text',
  key_bytes: 'bytea',
  value: 'bytea',
  headers: 'jsonb',
  event_time: 'timestamptz',
  kind: 'text',
  stage: 'text',
  error_class: 'text',
  error_code: 'text',
  error_message: 'text',
  error_stack: 'text',
  fingerprint: 'text',
  attempts: 'int',
}

type LetterValues = Readonly<Record<keyof typeof LETTER_COLUMNS, unknown>>

function letterValues({ key, tenant, eventType, record, cause }: Letter): LetterValues {
  const error = cause.kind === 'failed' ? cause : undefined
  const headers = headersText(record)
  return {
    part: record.partition,
    key,
    tenant,
    log_offset: record.offset,
    event_type: storable(eventType ?? undefined),
    message_id: storable(headers[EVENT_HEADERS.id]),
    schema_id: schemaIdOrNull(record.value),
    traceparent: storable(headers[EVENT_HEADERS.traceparent]),
    key_bytes: record.key,
    value: record.value,
    headers: headersJson(record),
    event_time: storableTime(record.timestampMs),
    kind: cause.kind,
    stage: error?.stage ?? null,
    error_class: error?.errorClass ?? null,
    error_code: error?.errorCode ?? null,
    error_message: error?.errorMessage ?? null,
    error_stack: error?.errorStack ?? null,
    fingerprint: error?.fingerprint ?? null,
    attempts: error?.attempts ?? 0,
  }
}

/** Postgres has no text with NUL in it. */
function storable(text: string | undefined): string | null {
  return text?.replaceAll('\0', '') ?? null
}

function schemaIdOrNull(value: Uint8Array | null): number | null {
  try {
    return value === null ? null : schemaIdOf(value)
  } catch {
    return null
  }
}

/** Header names are any UTF-8; jsonb has no NUL. */
function headersJson(record: LogRecord): string {
  return JSON.stringify(
    record.headers.map(([name, value]) => [
      name.replaceAll('\0', ''),
      value === null ? null : Buffer.from(value).toString('base64'),
    ]),
  )
}
