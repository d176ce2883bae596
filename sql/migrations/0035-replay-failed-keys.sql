-- Keys whose letter failed again in the replay, or in the one that took them over: counted as it happens, since a later
-- replay of the key, or its end, leaves nothing of it in evt.parked_key. drain_failed there is read by earlier releases.
alter table evt.replay_request add column failed_keys int not null default 0;

update evt.replay_request r set failed_keys = (
  select count(*) from evt.parked_key k
  where k.drain_failed and (k.drain_request = r.id or k.drain_joined @> array[r.id]));
