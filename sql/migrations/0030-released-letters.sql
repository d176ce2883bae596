-- Letters whose rows are folded anew go: what becomes of a letter is in the log, whoever takes it out.

alter table evt.dead_letter_log
  drop constraint dead_letter_log_action_check,
  add constraint dead_letter_log_action_check
    check (action in ('replay', 'retry', 'discard', 'edit', 'rebuild'));
