-- Names of partitions were cut by characters, and Postgres cuts names by bytes: what tells them apart stood at the end, and
-- was lost. Two tables whose names begin alike shared the names of their partitions, too.

-- The name of what belongs to a table. Where both do not fit, the table's is cut, and a digest of all of it put behind.
create function relay.derived_name(base_name text, suffix text) returns text language sql stable as $$
  with limits as (
    select current_setting('max_identifier_length')::int - octet_length(suffix) as base_bytes,
      '_' || left(encode(sha256(convert_to(base_name, 'UTF8')), 'hex'), 8) as digest)
  select case when octet_length(base_name) <= base_bytes then base_name || suffix
    else left(base_name, (
        select max(n) from generate_series(0, length(base_name)) as n
        where octet_length(left(base_name, n)) <= base_bytes - octet_length(digest)))
      || digest || suffix
    end
  from limits
$$;

create or replace function relay.partition_outbox(
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
  before_name := relay.derived_name(base_name, '_before');
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

create or replace function relay.add_outbox_partitions(table_name text) returns void language plpgsql as $$
declare
  cleaning relay.outbox_cleaning;
  begins timestamptz;
  last_end timestamptz;
  relation regclass := table_name::regclass;
  schema_name text;
  base_name text;
  identity "char";
  partition_name text;
begin
  select * into cleaning from relay.outbox_cleaning c where c.table_name = add_outbox_partitions.table_name;
  select nspname, relname, relreplident into schema_name, base_name, identity
  from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = relation;
  select max((regexp_match(pg_get_expr(relpartbound, c.oid), $re$TO \('([^']+)'\)$re$))[1]::timestamptz)
  into last_end from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = relation;
  for step in -1 .. 3 loop
    begins := date_bin(cleaning.every, clock_timestamp(), '1970-01-01 00:00:00+00') + step * cleaning.every;
    continue when begins < last_end;
    partition_name := relay.derived_name(base_name, to_char(begins at time zone 'UTC', '"_p"YYYYMMDD"_"HH24MI'));
    execute format('create table %I.%I partition of %s for values from (%L) to (%L)',
      schema_name, partition_name, relation, begins, begins + cleaning.every);
    if identity = 'n' then
      execute format('alter table %I.%I replica identity nothing', schema_name, partition_name);
    end if;
  end loop;
end $$;
