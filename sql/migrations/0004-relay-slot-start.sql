-- Where a relay begins to read a slot that it has made: rows that are older were written anew behind
-- this position, in the transaction that noted it. Null: where the slot stands.

alter table relay.slot add column start_lsn pg_lsn;
