-- The rows of the tables were published, and there is no slot: snapshot.mode is initial_only.
alter table relay.slot drop constraint slot_state_check, add constraint slot_state_check
  check (state in ('creating', 'created', 'snapshot'));
