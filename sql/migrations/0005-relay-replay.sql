-- Parked events become replayable, and relays take orders.

-- What became of an event. A row that is settled stays for a while, without its payload: after a crash
-- Postgres may send the event again, and it must neither be published a second time nor parked anew.
alter table relay.parked_event
  add column state text not null default 'parked' check (state in ('parked', 'replayed', 'discarded')),
  add column settled_at timestamptz,
  -- The record as it was routed; its value is in payload. Null: it could not be routed.
  add column record json,
  -- The row that could not be routed, so that it can be once the configuration is right.
  add column source_row json,
  -- Where the row came from. With payload_omitted it is the pointer to what was too large to keep here.
  add column source_table text,
  add column payload_omitted boolean not null default false,
  -- Where the topic ended before the replay of this event was sent: what a relay that died in between
  -- has written is found from there.
  add column replay_from jsonb;

-- Orders to the relay of a slot, whichever process that is: replay, discard, snapshots. They are Debezium's
-- signals, with its names where it has them.
create table relay.signal (
  signal_id   bigint      generated always as identity primary key,
  slot_name   text        not null,
  type        text        not null check (type in ('replay-parked', 'discard-parked')),
  data        jsonb       not null default '{}' check (jsonb_typeof(data) = 'object'),
  state       text        not null default 'requested' check (state in ('requested', 'running', 'done', 'failed')),
  -- How far it has come.
  progress    jsonb       not null default '{}',
  reason      text,
  -- Of the message in the log that asked for it: it may be read twice.
  source_lsn  pg_lsn,
  requested_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  unique (slot_name, source_lsn)
);

-- Asks the relay of a slot for something; the result is the signal_id.
create function relay.signal(slot_name text, type text, data jsonb default '{}')
returns bigint language sql as $$
  insert into relay.signal (slot_name, type, data) values ($1, $2, $3) returning signal_id
$$;

create function relay.notify_signal() returns trigger language plpgsql as $$
begin
  perform pg_notify('fairlead_relay_signal', new.slot_name);
  return null;
end $$;

create trigger notify after insert on relay.signal
  for each row execute function relay.notify_signal();
