-- What the relay keeps in the source database.

create schema relay;

-- The replication slots that a relay has made. A slot that is listed here and does not exist any
-- more was dropped or lost, and with it events may be: the relay then stops instead of making a new
-- slot, which would start after the gap. To accept the gap, delete the row.
create table relay.slot (
  slot_name         text        primary key,
  system_identifier text        not null,
  -- 'creating' until the slot exists: a relay that dies in between makes it at its next start.
  state             text        not null check (state in ('creating', 'created')),
  created_at        timestamptz not null default clock_timestamp()
);

-- Events that cannot be published, in the order of the log. A row is here before the relay confirms
-- the LSN of its transaction. `failed` events have a reason of their own; `blocked` ones are later
-- events of the same aggregate, held back so that its order is kept.
create table relay.parked_event (
  parked_id     bigint      generated always as identity primary key,
  slot_name     text        not null,
  commit_lsn    pg_lsn      not null,
  commit_index  integer     not null,
  kind          text        not null check (kind in ('failed', 'blocked')),
  reason_code   text        not null,
  reason        text        not null,
  event_id      text,
  aggregatetype text,
  aggregateid   text,
  type          text,
  payload       bytea,
  headers       text,
  committed_at  timestamptz not null,
  parked_at     timestamptz not null default clock_timestamp(),
  -- Postgres sends a transaction again after a restart of the relay: parking is idempotent.
  unique (slot_name, commit_lsn, commit_index)
);

-- No index on the aggregate: it is text of any length, and an index entry has 2,704 bytes at most. The
-- table is read as a whole, at the start of the relay.
