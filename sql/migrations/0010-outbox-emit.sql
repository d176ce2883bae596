-- An outbox without a table: the event goes into the write-ahead log alone, in the transaction that
-- changes the service's own tables. There is nothing to clean, and it costs about half of an insert;
-- in return nobody can read it later, and what a lost slot has not published is gone.
--
-- The relay reads messages of message.prefix.include.list (default: outbox) as rows of outbox.events.

create function outbox.emit(
  aggregatetype      text,
  aggregateid        text,
  type               text,
  payload            jsonb,
  headers            jsonb default '{}',
  id                 uuid  default gen_random_uuid(),
  tracingspancontext text  default null,
  -- Further columns by name, as a placement or the routing by tenant asks for them.
  fields             jsonb default '{}',
  prefix             text  default 'outbox'
) returns uuid
language sql volatile
as $$
  select id
  from pg_logical_emit_message(true, prefix, (fields || jsonb_build_object(
    'id', id, 'aggregatetype', aggregatetype, 'aggregateid', aggregateid, 'type', type,
    'payload', payload, 'headers', headers, 'tracingspancontext', tracingspancontext,
    'created_at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')))::text)
$$;

comment on function outbox.emit is
  'Publishes an event when, and only when, the transaction commits; without a row in outbox.events.';

-- The same for a payload in bytes, such as Avro.
create function outbox.emit_bytes(
  aggregatetype      text,
  aggregateid        text,
  type               text,
  payload            bytea,
  headers            jsonb default '{}',
  id                 uuid  default gen_random_uuid(),
  tracingspancontext text  default null,
  fields             jsonb default '{}',
  prefix             text  default 'outbox'
) returns uuid
language sql volatile
as $$
  select id
  from pg_logical_emit_message(true, prefix, (fields || jsonb_build_object(
    'id', id, 'aggregatetype', aggregatetype, 'aggregateid', aggregateid, 'type', type,
    'payload', '\x' || encode(payload, 'hex'), 'payload_encoding', 'hex', 'headers', headers,
    'tracingspancontext', tracingspancontext,
    'created_at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')))::text)
$$;

comment on function outbox.emit_bytes is 'As outbox.emit, with a payload in bytes.';
