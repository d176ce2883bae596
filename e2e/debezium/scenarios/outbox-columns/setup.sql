create schema shop;
create table shop.outbox (
  event_id       bigint      primary key generated always as identity,
  channel        text        not null,
  tenant_id      integer     not null,
  kind           text        not null default 'Unknown',
  body           text,
  occurred_at    timestamp(3) not null,
  schema_version integer     not null default 1,
  shard          integer     not null default 0,
  amount         numeric(10, 2),
  created        timestamptz default now(),
  flag           boolean     not null default true,
  raw            bytea,
  big            bigint,
  ratio          double precision
);
