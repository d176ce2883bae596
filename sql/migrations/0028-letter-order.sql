-- The letters of a key are applied in the order in which they were set aside: partitions say nothing of it,
-- as a key that moves may come back to one that it was in before.

drop index evt.dead_letter_of_key;
create index dead_letter_of_key on evt.dead_letter (projection_id, version, topic, md5(key), id);
