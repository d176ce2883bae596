-- Parked keys are tried again by themselves: the table is the queue of what is due.

alter table evt.parked_key
  -- When the owner of the partition tries the key again; null: not before somebody asks for it.
  add column next_try_at timestamptz,
  -- Of the letter at its head: such tries that failed. `attempts` counts the others, too.
  add column timed_tries int not null default 0;

create index parked_key_due on evt.parked_key (projection_id, version, topic, part, next_try_at)
  where next_try_at is not null;

alter table evt.dead_letter_log
  drop constraint dead_letter_log_action_check,
  add constraint dead_letter_log_action_check
    check (action in ('replay', 'retry', 'discard', 'edit'));
