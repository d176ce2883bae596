-- Projections: which versions exist, how far each has come, and what it has set aside.
-- The rows of a read model are not here: version 2 of `order_summary` has the schema
-- `rm_order_summary_v2`, and views in `public` show the version that is live.

create schema evt;

create table evt.projection (
  id          int         generated always as identity primary key,
  name        text        not null unique,
  -- What readers see through the views.
  live_version int,
  promoted_at timestamptz
);

create table evt.projection_version (
  projection_id int         not null references evt.projection,
  version       int         not null check (version > 0),
  state         text        not null check (state in ('catching_up', 'live', 'standby')),
  schema_name   text        not null unique,
  -- SHA-256 of the definition's text: one version never runs two codes.
  code_hash     bytea       not null,
  started_at    timestamptz not null default clock_timestamp(),
  primary key (projection_id, version)
);

create unique index projection_one_live_version
  on evt.projection_version (projection_id) where state = 'live';

-- One row per partition, updated by every batch in the transaction that writes its rows. Nothing that
-- changes is indexed, and the pages are kept mostly empty: each update stays on its page (HOT).
create table evt.checkpoint (
  projection_id int         not null,
  version       int         not null,
  topic         text        not null,
  part          int         not null,
  next_offset   bigint      not null check (next_offset >= 0),
  -- Raised by each new owner of the partition; a batch of an earlier owner then updates no row.
  fence         bigint      not null default 0,
  -- Last event of the relay that was applied: LSN of its commit, index in its transaction; and the
  -- latest commit time so far. What the relay publishes again is recognised by them.
  source_lsn    pg_lsn,
  source_seq    bigint,
  source_time   timestamptz,
  -- Timestamp of the last record.
  event_time    timestamptz,
  updated_at    timestamptz not null default clock_timestamp(),
  primary key (projection_id, version, topic, part),
  foreign key (projection_id, version) references evt.projection_version
) with (
  fillfactor = 30,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 200
);

-- Keys whose events are set aside. The owner of the partition keeps them in memory.
create table evt.parked_key (
  projection_id int         not null,
  version       int         not null,
  topic         text        not null,
  part          int         not null,
  key           text        not null,
  -- A key has any length, an index entry 2,704 bytes at most.
  key_md5       text        not null generated always as (md5(key)) stored,
  parked_at     timestamptz not null default clock_timestamp(),
  primary key (projection_id, version, topic, part, key_md5),
  foreign key (projection_id, version) references evt.projection_version
);

create table evt.dead_letter (
  id            bigint      generated always as identity primary key,
  projection_id int         not null,
  version       int         not null,
  topic         text        not null,
  part          int         not null,
  key           text        not null,
  log_offset    bigint      not null,
  event_type    text,
  -- The record as it is in the log.
  key_bytes     bytea,
  value         bytea,
  -- [[name, value in base64 or null], …]: a record may repeat a header.
  headers       jsonb       not null,
  event_time    timestamptz not null,
  -- failed: the event that parked its key; blocked: behind it, never tried.
  kind          text        not null check (kind in ('failed', 'blocked')),
  stage         text        check (stage in ('decode', 'handle', 'write')),
  error_class   text,
  error_code    text,
  error_message text,
  error_stack   text,
  attempts      int         not null default 0,
  first_at      timestamptz not null default clock_timestamp(),
  foreign key (projection_id, version) references evt.projection_version,
  check ((kind = 'failed') = (stage is not null))
);

create unique index dead_letter_once
  on evt.dead_letter (projection_id, version, topic, part, log_offset);

-- The letters of one key, in the order in which they are to be applied.
create index dead_letter_of_key
  on evt.dead_letter (projection_id, version, topic, part, md5(key), log_offset);
