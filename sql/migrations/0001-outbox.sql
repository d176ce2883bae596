-- The outbox: a service inserts its events here, in the transaction that changes its own tables.
-- The relay reads them from the write-ahead log, never from the table. Column names are those of
-- Debezium's outbox event router, so that either of them can read the table.

create schema outbox;

create table outbox.events (
  id                 uuid        primary key default gen_random_uuid(),
  -- Names the topic, outbox.event.<aggregatetype>. What the relay cannot use as part of a topic name
  -- it parks; the insert is not refused, since a business transaction should not fail for it.
  aggregatetype      text        not null,
  -- Key of the record: events of one aggregate keep their commit order.
  aggregateid        text        not null,
  type               text        not null,
  -- Value of the record, as it is. Null is a tombstone where the relay is told so.
  payload            bytea,
  -- One record header for each entry.
  headers            jsonb       not null default '{}' check (jsonb_typeof(headers) = 'object'),
  -- W3C traceparent, or the text that Debezium's tracing writes.
  tracingspancontext text,
  created_at         timestamptz not null default clock_timestamp()
);

comment on table outbox.events is
  'Transactional outbox: insert only. The relay publishes each committed row to outbox.event.<aggregatetype>.';

-- Only inserts are published, so no old row is ever needed in the log.
alter table outbox.events replica identity nothing;
