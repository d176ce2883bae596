import { type Transaction, sql } from 'kysely'

export type Column = { readonly name: string; readonly type: string }

/** A table, or a view. */
export type Relation = {
  readonly schema: string
  readonly name: string
  /** In their order. */
  readonly columns: readonly Column[]
  /** As in `security_barrier=true`. */
  readonly options: readonly string[]
}

type Of = { readonly schemas: readonly string[]; readonly kinds: readonly ('r' | 'p' | 'v')[] }

/** All relations of these kinds in some schemas, by schema; those of one in the order of their names. */
async function relationsIn(
  trx: Transaction<unknown>,
  { schemas, kinds }: Of,
): Promise<ReadonlyMap<string, readonly Relation[]>> {
  const { rows } = await sql<Relation>`
    select n.nspname as schema, c.relname as name, coalesce(c.reloptions, '{}') as options,
      json_agg(json_build_object('name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum) as columns
    from pg_namespace n join pg_class c on c.relnamespace = n.oid
    join pg_attribute a on a.attrelid = c.oid
    where n.nspname = any(${schemas}::text[]) and c.relkind = any(${kinds}::"char"[])
      and a.attnum > 0 and not a.attisdropped
    group by n.nspname, c.relname, c.reloptions order by c.relname`.execute(trx)
  return Map.groupBy(rows, ({ schema }) => schema)
}

export async function tablesIn(
  trx: Transaction<unknown>,
  schemas: readonly string[],
): Promise<ReadonlyMap<string, readonly Relation[]>> {
  return relationsIn(trx, { schemas, kinds: ['r', 'p'] })
}

export async function viewsIn(
  trx: Transaction<unknown>,
  schemas: readonly string[],
): Promise<ReadonlyMap<string, readonly Relation[]>> {
  return relationsIn(trx, { schemas, kinds: ['v'] })
}
