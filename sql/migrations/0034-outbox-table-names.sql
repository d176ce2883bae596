-- A table with capitals in its name was partitioned by nobody, and cleaned by nobody: its name, which is stored without
-- quotes, was looked up as if it had none of them.

create or replace function relay.delete_outbox(
  table_name text, retention interval default '3 days', time_column text default 'created_at')
returns void language plpgsql as $$
declare
  relation regclass := to_regclass($1);
begin
  if relation is null then
    raise exception 'there is no table %', $1;
  end if;
  insert into relay.outbox_cleaning (table_name, method, time_column, retention)
  select nspname || '.' || relname, 'delete', $3, $2
  from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = relation
  on conflict on constraint outbox_cleaning_pkey
  do update set method = 'delete', time_column = $3, retention = $2;
end $$;

create or replace function relay.add_outbox_partitions(table_name text) returns void language plpgsql as $$
declare
  cleaning relay.outbox_cleaning;
  begins timestamptz;
  last_end timestamptz;
  name_parts text[] := regexp_match($1, '^([^.]+)[.](.+)$');
  relation regclass := format('%I.%I', name_parts[1], name_parts[2])::regclass;
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

-- What was given with quotes, or without its schema, was found and not cleaned. A name that some table has is that table's.
update relay.outbox_cleaning as cleaned set table_name = nspname || '.' || relname
from pg_class c join pg_namespace n on n.oid = relnamespace
where c.oid = to_regclass(cleaned.table_name)
  and not exists (
    select from pg_class named join pg_namespace s on s.oid = named.relnamespace
    where s.nspname || '.' || named.relname = cleaned.table_name)
  and not exists (select from relay.outbox_cleaning as other where other.table_name = nspname || '.' || relname);
