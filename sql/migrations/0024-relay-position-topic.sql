-- The topic whose position says what is published: it has one since the first transaction of
-- delivery=transactional. Null with delivery=idempotent, where the topics of events say it.
alter table relay.slot add column position_topic text;

alter table relay.signal drop constraint signal_type_check, add constraint signal_type_check
  check (type in ('replay-parked', 'discard-parked', 'replay-table', 'reset-position',
    'execute-snapshot', 'stop-snapshot', 'pause-snapshot', 'resume-snapshot'));
