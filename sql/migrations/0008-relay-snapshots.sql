alter table relay.signal drop constraint signal_type_check, add constraint signal_type_check
  check (type in ('replay-parked', 'discard-parked', 'replay-table',
    'execute-snapshot', 'stop-snapshot', 'pause-snapshot', 'resume-snapshot'));
