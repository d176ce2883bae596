-- Dead letters as a queue that is worked off: a replay is asked for by anybody, and carried out by the
-- owner of the partition, between its batches.

-- A key is parked once, whatever partition it comes from: with more partitions it moves to another one,
-- whose owner goes on with what the one before has set aside. `part` is where the key was seen last.
delete from evt.parked_key k using evt.parked_key other
where (k.projection_id, k.version, k.topic, k.key_md5)
    = (other.projection_id, other.version, other.topic, other.key_md5) and k.part < other.part;
alter table evt.parked_key drop constraint parked_key_pkey;
alter table evt.parked_key add primary key (projection_id, version, topic, key_md5);
alter table evt.parked_key
  -- Replays that failed.
  add column attempts              int         not null default 0,
  -- Raised by whoever changes a letter of the key: a replay that has read the letter before then
  -- reads it again.
  add column revision              int         not null default 0,
  -- The last replay that was asked for. It is under way while drain_requested_at is set.
  add column drain_request         uuid,
  add column drain_requested_at    timestamptz,
  add column drain_actor           text,
  add column drain_reason          text,
  -- The letter at the head failed again, which ended the replay.
  add column drain_failed          boolean     not null default false,
  -- Null: all letters of the key.
  add column drain_letters_left    int         check (drain_letters_left > 0),
  -- Null: as fast as it goes. Per partition.
  add column drain_letters_per_second int      check (drain_letters_per_second > 0),
  add constraint parked_key_request
    check (drain_requested_at is null or (drain_request is not null and drain_actor is not null));

create index parked_key_drain on evt.parked_key (projection_id, version, topic, part, drain_requested_at)
  where drain_requested_at is not null;
create index parked_key_request on evt.parked_key (drain_request) where drain_request is not null;

alter table evt.dead_letter
  add column message_id   text,
  -- Id of the schema that the value names; null when it names none.
  add column schema_id    int,
  add column traceparent  text,
  -- Names the cause of a failure.
  add column fingerprint  text,
  -- Applied in the place of `value`, which is never overwritten.
  add column edited_value bytea,
  add column last_at      timestamptz not null default clock_timestamp(),
  drop constraint dead_letter_stage_check,
  add constraint dead_letter_stage_check
    check (stage in ('decode', 'upcast', 'handle', 'write', 'side_effect'));

drop index evt.dead_letter_of_key;
create index dead_letter_of_key
  on evt.dead_letter (projection_id, version, topic, md5(key), log_offset);
create index dead_letter_of_cause
  on evt.dead_letter (projection_id, version, fingerprint) where kind = 'failed';

-- What was done to letters, with the letter as it was. It is for people to prune, by `at`.
create table evt.dead_letter_log (
  id            bigint      generated always as identity primary key,
  at            timestamptz not null default clock_timestamp(),
  actor         text        not null,
  reason        text        not null,
  action        text        not null check (action in ('replay', 'discard', 'edit')),
  projection_id int         not null,
  version       int         not null,
  -- Of a replay.
  request       uuid,
  letter        jsonb       not null
);

create index dead_letter_log_request on evt.dead_letter_log (request) where request is not null;

-- For dry runs: notes what a transaction does to a table, in a temporary table of that transaction.
create function evt.note_row_change() returns trigger
language plpgsql as $$
begin
  insert into pg_temp.row_change (table_name, before, after)
  values (tg_table_name, to_jsonb(old), to_jsonb(new));
  return null;
end $$;
