-- Why the relay itself has dropped a slot, as `wal.budget.policy` says: it reads it no more, and does not
-- make it anew. Null otherwise.
alter table relay.slot add column dropped_reason text;
