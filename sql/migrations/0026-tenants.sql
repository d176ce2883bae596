-- Tenants of projections that keep each tenant's tables apart (`tenants: 'schema'`). Version 2 of
-- `order_summary` has those of a tenant in `rm_order_summary_v2_t<id>`; views in the tenant's own schema
-- show those of the version that is live.

create table evt.tenant (
  id         int         generated always as identity primary key,
  name       text        not null unique check (name <> ''),
  -- Holds the views that the tenant reads: `tenant_acme`. A name that is no identifier as it is has its
  -- id in front, so that no two tenants share a schema: `tenant7_acme_inc_`.
  schema_name text       not null unique generated always as (
    case when name ~ '^[a-z0-9_]{1,50}$' then 'tenant_' || name
    else 'tenant' || id || '_' || regexp_replace(left(name, 40), '[^a-z0-9_]', '_', 'g') end
  ) stored,
  created_at timestamptz not null default clock_timestamp()
);

create table evt.tenant_schema (
  projection_id int  not null,
  version       int  not null,
  tenant_id     int  not null references evt.tenant,
  -- Holds the tables.
  schema_name   text not null unique,
  primary key (projection_id, version, tenant_id),
  foreign key (projection_id, version) references evt.projection_version
);

-- The tenants whose events the version takes in; null for those of all.
alter table evt.projection_version add column tenants jsonb;

-- Where a projection has one table for each tenant, a dry run says in front of the name whose it is.
create or replace function evt.note_row_change() returns trigger
language plpgsql as $$
begin
  insert into pg_temp.row_change (table_name, before, after)
  values (concat(tg_argv[0], tg_table_name), to_jsonb(old), to_jsonb(new));
  return null;
end $$;
