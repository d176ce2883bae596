import { errorMessage } from '@fairlead/base'
import { classifyPostgresError } from '@fairlead/postgres'
import pg from 'pg'
import { halt } from '../session-failure.ts'
import { type SourceOptions, quotedTable } from './source-options.ts'

/** Notes the ids of the rows that the snapshot shows, in the order of their time, in temporary tables. */
export async function rememberEarlierRows(
  client: pg.Client,
  options: SourceOptions,
  snapshotName: string,
): Promise<void> {
  await inTransaction(client, 'begin isolation level repeatable read', async () => {
    await client.query(`set transaction snapshot ${pg.escapeLiteral(snapshotName)}`)
    for (const [index, table] of tablesToRead(options).entries()) {
      const columns = await columnsOf(client, table)
      const { id, timestamp } = options.columns
      const time = columns.includes(timestamp) ? `${pg.escapeIdentifier(timestamp)}, ` : ''
      await client.query(
        `create temporary table ${temporaryTable(index)} as
         select ${pg.escapeIdentifier(id)} as id, row_number() over (order by ${time}ctid) as place
         from ${table}`,
      )
    }
  })
}

/** Writes the remembered rows anew, unless they were deleted since, and marks the slot as created. */
export async function insertEarlierRows(client: pg.Client, options: SourceOptions): Promise<void> {
  const tables = tablesToRead(options)
  try {
    await inTransaction(client, 'begin', async () => {
      for (const [index, table] of tables.entries())
        await insertAgain(client, options, index, table)
      await client.query(`update relay.slot set state = 'created' where slot_name = $1`, [
        options.slotName,
      ])
    })
  } catch (error) {
    const errorClass = classifyPostgresError(error)
    if (errorClass === 'infra' || errorClass === 'contention') throw error
    throw halt(
      'SNAPSHOT_REFUSED',
      `rows that are older than the slot cannot be written anew (${errorMessage(error)}): grant insert and delete on the outbox, or set snapshot.mode to no_data`,
    )
  }
  for (const index of tables.keys()) await client.query(`drop table ${temporaryTable(index)}`)
}

async function insertAgain(
  client: pg.Client,
  options: SourceOptions,
  index: number,
  table: string,
): Promise<void> {
  const id = pg.escapeIdentifier(options.columns.id)
  const columns = (await columnsOf(client, table)).map((name) => pg.escapeIdentifier(name))
  await client.query(
    `with earlier as (
       delete from ${table} as event using ${temporaryTable(index)} as noted
       where event.${id} = noted.id
       returning ${columns.map((name) => `event.${name}`).join(', ')}, noted.place as fairlead_place
     )
     insert into ${table} (${columns.join(', ')}) overriding system value
     select ${columns.join(', ')} from earlier order by fairlead_place`,
  )
}

function tablesToRead({ snapshotMode, tables }: SourceOptions): readonly string[] {
  return snapshotMode === 'initial' ? tables.map(quotedTable) : []
}

function temporaryTable(index: number): string {
  return `pg_temp.fairlead_earlier_${index}`
}

/** All but generated ones, which Postgres computes again. */
async function columnsOf(client: pg.Client, table: string): Promise<readonly string[]> {
  const { rows } = await client.query<{ attname: string }>(
    `select attname from pg_attribute
     where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and attgenerated = ''
     order by attnum`,
    [table],
  )
  return rows.map(({ attname }) => attname)
}

/** The tables may be large: the timeout of a statement does not apply. */
async function inTransaction(
  client: pg.Client,
  begin: string,
  action: () => Promise<void>,
): Promise<void> {
  await client.query(begin)
  try {
    await client.query('set local statement_timeout = 0')
    await action()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback')
    throw error
  }
}
