-- What a slot that is lost is made good from: everything that was committed before this time was
-- published, by the clock of this server. Written every few seconds while the relay keeps up.
alter table relay.slot add column published_until timestamptz;

alter table relay.signal drop constraint signal_type_check, add constraint signal_type_check
  check (type in ('replay-parked', 'discard-parked', 'replay-table'));
