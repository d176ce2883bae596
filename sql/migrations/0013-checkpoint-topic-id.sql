-- Which log a checkpoint is a place of: a topic that is deleted and created anew has another id, and a
-- log that lost its tail (KIP-320) has other records at the same offsets, with a later leader epoch.

alter table evt.checkpoint
  add column topic_id     uuid,
  add column leader_epoch int not null default -1;
