-- Which outbox tables are cleaned, and how. Every relay of the database looks here once a minute; one at
-- a time cleans. A table that is not listed is never touched.
create table relay.outbox_cleaning (
  table_name    text        primary key, -- schema.table
  -- 'partitions': old ones are detached and dropped, new ones made ahead of time. 'delete': rows are
  -- deleted in batches; costs the log and vacuum as much as the insert did.
  method        text        not null check (method in ('partitions', 'delete')),
  -- Its type is timestamptz, and its default the clock of the server.
  time_column   text        not null default 'created_at',
  -- Length of a partition.
  every         interval    not null default '1 day' check (every >= '1 minute'),
  -- Rows stay at least this long: it is the time in which a lost slot can be made good from the table.
  retention     interval    not null default '3 days' check (retention > '0'),
  registered_at timestamptz not null default clock_timestamp()
);

-- From now on, rows of this table are deleted in batches once they are older than the retention and
-- confirmed by every slot. The last resort: see relay.partition_outbox.
create function relay.delete_outbox(
  table_name text, retention interval default '3 days', time_column text default 'created_at')
returns void language sql as $$
  insert into relay.outbox_cleaning (table_name, method, time_column, retention)
  values ($1, 'delete', $3, $2)
  on conflict on constraint outbox_cleaning_pkey
  do update set method = 'delete', time_column = $3, retention = $2
$$;

-- Makes a partitioned table of an outbox table, in one transaction and under a lock that writers wait
-- for: at most two seconds to get it, then as long as it takes to check the rows that there are. An
-- empty table takes none. The rows stay where they are, as the first partition. Its primary key
-- becomes (time column, id column).
create function relay.partition_outbox(
  table_name text,
  every interval default '1 day',
  retention interval default '3 days',
  time_column text default 'created_at',
  id_column text default 'id')
returns void language plpgsql set lock_timeout = '2s' as $$
declare
  old_table regclass := to_regclass(table_name);
  schema_name text;
  base_name text;
  before_name text;
  identity "char";
  has_rows boolean;
  key_name text;
  boundary timestamptz;
  publication record;
  privilege record;
begin
  if old_table is null then
    raise exception 'there is no table %', table_name;
  end if;
  select n.nspname, c.relname, c.relreplident into schema_name, base_name, identity
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = old_table and c.relkind = 'r' and not c.relispartition;
  if not found then
    raise exception '% is partitioned already, or no ordinary table', table_name;
  end if;
  if not exists (select from pg_attribute where attrelid = old_table and attname = time_column
      and atttypid = 'timestamptz'::regtype and attnotnull) then
    raise exception '%.% is not a timestamptz that is not null', table_name, time_column;
  end if;

  execute format('lock table %s in access exclusive mode', old_table);
  execute format('select exists (select from %s)', old_table) into has_rows;
  select conname into key_name from pg_constraint where conrelid = old_table and contype = 'p';
  before_name := left(base_name, 56) || '_before';
  execute format('alter table %s rename to %I', old_table, before_name);
  if key_name is not null then
    execute format('alter table %s drop constraint %I', old_table, key_name);
  end if;
  execute format('create table %I.%I (like %s including defaults including constraints
    including generated including storage including comments, primary key (%I, %I))
    partition by range (%I)', schema_name, base_name, old_table, time_column, id_column, time_column);
  execute format('alter table %I.%I owner to %I', schema_name, base_name,
    (select rolname from pg_roles join pg_class on relowner = pg_roles.oid where pg_class.oid = old_table));
  if identity = 'n' then
    execute format('alter table %I.%I replica identity nothing', schema_name, base_name);
  end if;
  for privilege in
    select case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as grantee,
      privilege_type
    from pg_class, aclexplode(relacl) where pg_class.oid = old_table
  loop
    execute format('grant %s on %I.%I to %s',
      privilege.privilege_type, schema_name, base_name, privilege.grantee);
  end loop;
  for publication in
    select pubname from pg_publication_rel join pg_publication p on p.oid = prpubid where prrelid = old_table
  loop
    execute format('alter publication %I set (publish_via_partition_root = true)', publication.pubname);
    execute format('alter publication %I add table %I.%I', publication.pubname, schema_name, base_name);
    execute format('alter publication %I drop table %s', publication.pubname, old_table);
  end loop;
  if has_rows then
    -- Behind everything that a clock which is a little ahead may have written.
    boundary := date_bin(every, clock_timestamp(), '1970-01-01 00:00:00+00') + 2 * every;
    execute format('alter table %I.%I attach partition %s for values from (minvalue) to (%L)',
      schema_name, base_name, old_table, boundary);
  else
    execute format('drop table %s', old_table);
  end if;
  insert into relay.outbox_cleaning (table_name, method, time_column, every, retention)
  values (schema_name || '.' || base_name, 'partitions', time_column, every, retention)
  on conflict on constraint outbox_cleaning_pkey do update set
    method = excluded.method, time_column = excluded.time_column, every = excluded.every,
    retention = excluded.retention;
  perform relay.add_outbox_partitions(schema_name || '.' || base_name);
end $$;

-- Makes the partitions of the current interval and its neighbours, so that no insert fails before a
-- relay has looked at the table. For the transaction that has made the table: it locks out writers.
create function relay.add_outbox_partitions(table_name text) returns void language plpgsql as $$
declare
  cleaning relay.outbox_cleaning;
  begins timestamptz;
  last_end timestamptz;
  relation regclass := table_name::regclass;
begin
  select * into cleaning from relay.outbox_cleaning c where c.table_name = add_outbox_partitions.table_name;
  select max((regexp_match(pg_get_expr(relpartbound, c.oid), $re$TO \('([^']+)'\)$re$))[1]::timestamptz)
  into last_end from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = relation;
  for step in -1 .. 3 loop
    begins := date_bin(cleaning.every, clock_timestamp(), '1970-01-01 00:00:00+00') + step * cleaning.every;
    continue when begins < last_end;
    execute format('create table %I.%I partition of %s for values from (%L) to (%L)',
      (select relnamespace::regnamespace::text from pg_class where oid = relation),
      (select left(relname, 40) from pg_class where oid = relation)
        || to_char(begins at time zone 'UTC', '"_p"YYYYMMDD"_"HH24MI'),
      relation, begins, begins + cleaning.every);
    if (select relreplident = 'n' from pg_class where oid = relation) then
      execute format('alter table %I.%I replica identity nothing',
        (select relnamespace::regnamespace::text from pg_class where oid = relation),
        (select left(relname, 40) from pg_class where oid = relation)
          || to_char(begins at time zone 'UTC', '"_p"YYYYMMDD"_"HH24MI'));
    end if;
  end loop;
end $$;
