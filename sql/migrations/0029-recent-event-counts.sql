-- A batch may end in the middle of a transaction, whose id is in recent_transactions from its first event on.
-- Who waits for it knows how many events it has. This is how many of them are applied, by id, where that is
-- more than one.
alter table evt.checkpoint
  add column recent_event_counts jsonb not null default '{}';
