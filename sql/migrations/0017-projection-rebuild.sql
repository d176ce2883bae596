-- Versions are built beside the live one, shown, kept for the way back, and retired; and the orders
-- that say so.

alter table evt.projection
  -- Shown before the live one: where a rollback leads.
  add column previous_version int;

alter table evt.projection_version
  drop constraint projection_version_state_check,
  -- building: one process fills the tables; catching_up: follows the log; ready: has caught up once;
  -- standby: was live; failed: `reason` says what is to be done; retired: nothing is left but this row.
  add constraint projection_version_state_check check (state in
    ('building', 'catching_up', 'ready', 'live', 'standby', 'failed', 'retired')),
  drop constraint projection_version_version_check,
  -- Below 0: a throw-away version as of a point in time; its code is that of `code_version`.
  add constraint projection_version_version_check check (version <> 0),
  add column code_version int,
  add column reason       text,
  -- {"<topic>/<partition>": <offset>, …}: end of the log when the rebuild began, so that its progress is
  -- honest.
  add column target       jsonb,
  -- {"<partition>": [[from, until or null], …]}: offsets whose side effects are this version's; every
  -- other version of the projection is mute there. Null: all of them while the version is live.
  add column effects      jsonb,
  -- {"<topic>": {"partitionCount": …, "before": [{"partitionCount": …, "seenAtMs": …}, …]}}: keys move
  -- when a topic gets more partitions.
  add column partitions   jsonb       not null default '{}',
  add column ready_at     timestamptz,
  add column retired_at   timestamptz,
  add column paused_at    timestamptz,
  add column paused_by    text;

-- What an operator asked for. A process that has the code of the version carries it out; one that dies
-- leaves it to the next.
create table evt.projection_job (
  id            bigint      generated always as identity primary key,
  projection_id int         not null,
  version       int         not null,
  kind          text        not null check (kind in ('rebuild', 'keys', 'verify')),
  -- What exactly: {"keys": […]}, {"until": …}, {"sample": …}, {"acceptMissingHistory": …}.
  request       jsonb       not null default '{}',
  state         text        not null default 'requested'
                            check (state in ('requested', 'running', 'done', 'failed')),
  phase         text        not null default 'preparing',
  done          bigint      not null default 0,
  total         bigint      not null default 0,
  per_second    double precision not null default 0,
  eta           timestamptz,
  parked        bigint      not null default 0,
  -- Of `verify`: what was compared, and what differs.
  result        jsonb,
  reason        text,
  requested_at  timestamptz not null default clock_timestamp(),
  updated_at    timestamptz not null default clock_timestamp(),
  foreign key (projection_id, version) references evt.projection_version
);

create unique index projection_job_one_at_a_time
  on evt.projection_job (projection_id, version, kind) where state in ('requested', 'running');
