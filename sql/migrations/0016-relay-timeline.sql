-- The timeline of the server that the slot was last read on; null before that is known. A standby that is
-- promoted begins a new one, and may lack what was committed, and published, on the old.
alter table relay.slot add column timeline bigint;
