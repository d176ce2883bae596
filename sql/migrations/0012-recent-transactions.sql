-- Who has written can wait until a projection has applied it. He knows the id of his transaction, and an
-- LSN that his commit is below; while no later commit has come to the partition, only the id tells that
-- his own one has. These are the ids of the last transactions applied, the newest last.
alter table evt.checkpoint
  add column recent_transactions bigint[] not null default '{}';
