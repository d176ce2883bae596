-- A topic that is deleted and created anew while a version is built is another one.

alter table evt.projection_version
  -- {"<topic>": <id>, …}: of the topics whose ends `target` has.
  add column topic_ids jsonb;
