-- The horizon of an inbox is moved by one transaction while others apply batches. A row that many lock
-- for share, one after the other and never none, is never free for an update; an advisory lock has a
-- queue, in which nobody overtakes.

create function evt.inbox_lock(consumer int) returns bigint language sql immutable as $$
  select hashtextextended('evt.inbox.' || consumer, 0)
$$;

-- Until the transaction ends, no id is forgotten that is not by now. What is read behind the lock is
-- what the transaction before has left: the statements of a volatile function each see what is committed.
create function evt.hold_inbox_horizon(consumer int) returns timestamptz language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(evt.inbox_lock(consumer));
  return (select forgotten_before from evt.inbox_consumer where id = consumer);
end $$;
