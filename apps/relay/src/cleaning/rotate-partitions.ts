import { type RangePartition, type TimeRange, intervalsAhead, planRotation } from '@fairlead/cdc'
import type pg from 'pg'
import { quotedTable } from '../source/source-options.ts'
import {
  type CleanedTable,
  type ListedPartition,
  oldestNeededMs,
  readPartitions,
  serverNowMs,
} from './cleaned-tables.ts'

export type Rotation = {
  readonly created: readonly string[]
  readonly dropped: readonly string[]
  /** Partitions that are old enough, and wait for a slot or a transaction. */
  readonly waiting: readonly string[]
}

/** What there is after a rotation, whether it succeeded or not. */
export type PartitionCount = {
  readonly partitionCount: number
  /** Whole intervals from now on that have a partition. */
  readonly intervalsAhead: number
}

/** On a table that is dropped next; one that stands alone with it was left by a relay that died. */
const RETIRED_COMMENT = 'fairlead: retired partition of '

/**
 * Makes the partitions of the time to come, and drops those of the past. No lock that it takes or
 * waits for conflicts with that of an INSERT: a new partition is a table that is attached (CREATE …
 * PARTITION OF would lock out writers), an old one is detached CONCURRENTLY before it is dropped.
 *
 * @param mayRetire whether all that was written to the partition is confirmed.
 */
export async function rotatePartitions(
  client: pg.ClientBase,
  cleaned: CleanedTable,
  mayRetire: (partition: RangePartition) => Promise<boolean>,
): Promise<Rotation> {
  const { table } = cleaned
  await finishInterrupted(client, table)
  const nowMs = await serverNowMs(client)
  const plan = planRotation(await readPartitions(client, table), cleaned, nowMs)
  const created: string[] = []
  for (const range of plan.create) created.push(await createPartition(client, table, range))
  const neededMs = await oldestNeededMs(client, table)
  const dropped: string[] = []
  const waiting: string[] = []
  for (const partition of plan.retire) {
    if (partition.toMs <= neededMs && (await mayRetire(partition))) {
      await retire(client, table, partition.name)
      dropped.push(partition.name)
    } else waiting.push(partition.name)
  }
  return { created, dropped, waiting }
}

export async function countPartitions(
  client: pg.ClientBase,
  { table, intervalMs }: CleanedTable,
): Promise<PartitionCount> {
  const partitions = await readPartitions(client, table)
  const ahead = intervalsAhead(partitions, intervalMs, await serverNowMs(client))
  return { partitionCount: partitions.length, intervalsAhead: ahead }
}

/** A table of the same name that is not attached is what a relay that died has left of this. */
async function createPartition(
  client: pg.ClientBase,
  table: string,
  { fromMs, toMs }: TimeRange,
): Promise<string> {
  const { rows } = await client.query<{
    name: string
    parent: string
    bounds: string
    identity: string
  }>(
    `select quote_ident(nspname) || '.' || quote_ident(
         relay.derived_name(relname, to_char(to_timestamp($2 / 1000.0) at time zone 'UTC', '"_p"YYYYMMDD"_"HH24MISS'))) as name,
       $1 as parent, relreplident as identity,
       format('from (%L) to (%L)', to_timestamp($2 / 1000.0), to_timestamp($3 / 1000.0)) as bounds
     from pg_class join pg_namespace on pg_namespace.oid = relnamespace where pg_class.oid = to_regclass($1)`,
    [quotedTable(table), fromMs, toMs],
  )
  const [row] = rows
  if (row === undefined) throw new Error(`there is no table ${table}`)
  await client.query(
    `create table if not exists ${row.name}
     (like ${row.parent} including defaults including constraints including generated including storage)`,
  )
  if (row.identity === 'n') await client.query(`alter table ${row.name} replica identity nothing`)
  await client.query(
    `alter table ${row.parent} attach partition ${row.name} for values ${row.bounds}`,
  )
  return row.name
}

async function retire(client: pg.ClientBase, table: string, name: string): Promise<void> {
  const comment = `${RETIRED_COMMENT}${table}`
  await client.query(`comment on table ${name} is ${literal(comment)}`)
  await client.query(`alter table ${quotedTable(table)} detach partition ${name} concurrently`)
  await client.query(`drop table ${name}`)
}

async function finishInterrupted(client: pg.ClientBase, table: string): Promise<void> {
  for (const { name, isDetaching } of await readPartitions(client, table)) {
    if (isDetaching) await finishDetachment(client, table, { name })
  }
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(nspname) || '.' || quote_ident(relname) as name
     from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where relkind = 'r' and not relispartition and obj_description(pg_class.oid, 'pg_class') = $1`,
    [`${RETIRED_COMMENT}${table}`],
  )
  for (const { name } of rows) await client.query(`drop table ${name}`)
}

async function finishDetachment(
  client: pg.ClientBase,
  table: string,
  { name }: Pick<ListedPartition, 'name'>,
): Promise<void> {
  await client.query(`alter table ${quotedTable(table)} detach partition ${name} finalize`)
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
