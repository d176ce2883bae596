-- Ids of events, for projections over topics whose records have no position in a source: an event that
-- comes again is known by its id. Ids are stored in the transaction that applies their events.

-- One per version and topic that has an inbox.
create table evt.inbox_consumer (
  id               int         generated always as identity primary key,
  projection_id    int         not null,
  version          int         not null,
  topic            text        not null,
  -- Ids of events from before may be gone: whether such an event came before, nobody knows any more.
  forgotten_before timestamptz not null default '-infinity',
  unique (projection_id, version, topic),
  foreign key (projection_id, version) references evt.projection_version
);

-- Ids that begin with the time of their event (UUID version 7), a day in each partition: rows are never
-- deleted, partitions are dropped. The partition key is the primary key's, so that an id is unique over
-- all of them. There is no default partition, which would be searched whenever a day is added.
create table evt.inbox (
  consumer_id int    not null,
  message_id  uuid   not null,
  -- The record that the event was in first. Another record with the id is a repetition.
  part        int    not null,
  log_offset  bigint not null,
  primary key (consumer_id, message_id)
) partition by range (message_id);

-- Ids without a time in them, and those that were days old when they came, as in a history that is
-- caught up with. Rows are deleted in portions once they are older than the retention.
create table evt.inbox_untimed (
  consumer_id int         not null,
  message_id  uuid        not null,
  part        int         not null,
  log_offset  bigint      not null,
  event_time  timestamptz not null,
  primary key (consumer_id, message_id)
);

-- Rows are stored about in the order of their time.
create index inbox_untimed_time on evt.inbox_untimed using brin (event_time);

-- The smallest UUID of version 7 of a moment, and of any other version with these first 48 bits.
create function evt.inbox_bound(moment timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Adds the partitions of the days around now that are missing. One that is attached to the parent locks no
-- insert out, which CREATE TABLE … PARTITION OF would.
create function evt.add_inbox_days() returns void language plpgsql as $$
declare
  today date := (clock_timestamp() at time zone 'UTC')::date;
  day date;
  name text;
begin
  perform pg_advisory_xact_lock(hashtextextended('evt.inbox', 0));
  for step in -3 .. 3 loop
    day := today + step;
    name := 'inbox_' || to_char(day, 'YYYYMMDD');
    continue when exists (select from pg_inherits join pg_class c on c.oid = inhrelid
      where inhparent = 'evt.inbox'::regclass and c.relname = name);
    execute format('create table if not exists evt.%I (like evt.inbox including all)', name);
    execute format('alter table evt.inbox attach partition evt.%I for values from (%L) to (%L)', name,
      evt.inbox_bound(day::timestamp at time zone 'UTC'),
      evt.inbox_bound((day + 1)::timestamp at time zone 'UTC'));
  end loop;
end $$;

select evt.add_inbox_days();
