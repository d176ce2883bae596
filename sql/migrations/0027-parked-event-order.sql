-- The place of an event in its transaction, where it has none in a record: it could not be routed, or encoded.
alter table relay.parked_event add column transaction_order json;
