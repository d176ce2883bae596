import { OperationalError } from '@fairlead/base'
import type { Letter, LogRecord } from '@fairlead/projection'
import { type Kysely, type Transaction, sql } from 'kysely'
import type { ProjectionPartition } from './registered-projection.ts'

/** The parked keys of a partition are held in memory, at about 200 bytes each. */
const PARKED_KEYS_MAX = 100_000

/** Letters of one statement: each has up to a whole record in it. */
const LETTERS_PER_INSERT_MAX = 500

/** @throws {OperationalError} TOO_MANY_PARKED_KEYS */
export async function loadParkedKeys(
  db: Kysely<unknown>,
  { projection, projectionId, topic, partition }: ProjectionPartition,
): Promise<Set<string>> {
  const { rows } = await sql<{ key: string }>`
    select key from evt.parked_key
    where projection_id = ${projectionId} and version = ${projection.version}
      and topic = ${topic} and part = ${partition}
    limit ${PARKED_KEYS_MAX + 1}`.execute(db)
  if (rows.length > PARKED_KEYS_MAX) {
    throw new OperationalError(
      `${projection.name} has more than ${PARKED_KEYS_MAX} parked keys in partition ${partition}`,
      { code: 'TOO_MANY_PARKED_KEYS', retryable: false },
    )
  }
  return new Set(rows.map(({ key }) => key))
}

/** Stores what a batch sets aside. A letter that is there already stays as it is. */
export async function insertLetters(
  trx: Transaction<unknown>,
  partition: ProjectionPartition,
  outcome: { readonly letters: readonly Letter[]; readonly parkedKeys: ReadonlySet<string> },
): Promise<void> {
  const { projection, projectionId } = partition
  const owner = sql`${projectionId}::int, ${projection.version}::int,
    ${partition.topic}::text, ${partition.partition}::int`
  if (outcome.parkedKeys.size > 0) {
    await sql`
      insert into evt.parked_key (projection_id, version, topic, part, key)
      select ${owner}, key from unnest(${[...outcome.parkedKeys]}::text[]) as parked(key)
      on conflict do nothing`.execute(trx)
  }
  for (let start = 0; start < outcome.letters.length; start += LETTERS_PER_INSERT_MAX) {
    const letters = outcome.letters.slice(start, start + LETTERS_PER_INSERT_MAX)
    const values = letters.map((letter) => sql`(${owner}, ${sql.join(letterValues(letter))})`)
    await sql`
      insert into evt.dead_letter (projection_id, version, topic, part, key, log_offset, event_type,
        key_bytes, value, headers, event_time, kind, stage, error_class, error_code, error_message,
        error_stack, attempts)
      values ${sql.join(values)}
      on conflict (projection_id, version, topic, part, log_offset) do nothing`.execute(trx)
  }
}

function letterValues({ key, eventType, record, cause }: Letter): readonly unknown[] {
  const error = cause.kind === 'failed' ? cause : undefined
  return [
    key,
    record.offset,
    eventType?.replaceAll('\0', '') ?? null,
    record.key,
    record.value,
    headersJson(record),
    new Date(record.timestampMs),
    cause.kind,
    error?.stage ?? null,
    error?.errorClass ?? null,
    error?.errorCode ?? null,
    error?.errorMessage ?? null,
    error?.errorStack ?? null,
    error?.attempts ?? 0,
  ]
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

export type LetterFilter = {
  readonly projection?: string | undefined
  readonly kind?: 'failed' | 'blocked' | undefined
  readonly key?: string | undefined
  readonly limit: number
  /** Letters after this id only: the last one of the page before. */
  readonly afterId: bigint
}

export type ListedLetter = {
  readonly id: bigint
  readonly projection: string
  readonly version: number
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: string
  readonly eventType: string | null
  readonly kind: 'failed' | 'blocked'
  readonly stage: string | null
  readonly errorClass: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly attempts: number
  readonly eventTime: Date
  readonly firstAt: Date
}

/** Letters in the order in which they were set aside. */
export async function listLetters(
  db: Kysely<unknown>,
  filter: LetterFilter,
): Promise<readonly ListedLetter[]> {
  const { projection, kind, key } = filter
  const { rows } = await sql<ListedLetter>`
    select l.id, p.name as projection, l.version, l.topic, l.part as "partition",
      l.log_offset as "offset", l.key, l.event_type as "eventType", l.kind, l.stage,
      l.error_class as "errorClass", l.error_code as "errorCode",
      l.error_message as "errorMessage", l.attempts, l.event_time as "eventTime",
      l.first_at as "firstAt"
    from evt.dead_letter l join evt.projection p on p.id = l.projection_id
    where l.id > ${filter.afterId}
      ${projection === undefined ? sql`` : sql`and p.name = ${projection}`}
      ${kind === undefined ? sql`` : sql`and l.kind = ${kind}`}
      ${key === undefined ? sql`` : sql`and l.key = ${key} and md5(l.key) = md5(${key})`}
    order by l.id limit ${filter.limit}`.execute(db)
  return rows
}

/** Letters by topic, of all projections. */
export async function countLetters(
  db: Kysely<unknown>,
): Promise<readonly { topic: string; depth: number; oldestAgeSeconds: number }[]> {
  const { rows } = await sql<{ topic: string; depth: number; oldestAgeSeconds: number }>`
    select topic, count(*)::float8 as depth,
      extract(epoch from clock_timestamp() - min(first_at))::float8 as "oldestAgeSeconds"
    from evt.dead_letter group by topic`.execute(db)
  return rows
}
