-- How far the last session of a slot has confirmed: a slot that stands beyond was moved, or made anew,
-- by somebody else. Null while a session runs, and after one that ended without notice.

alter table relay.slot add column session_id bigint not null default 0;
alter table relay.slot add column confirmed_lsn pg_lsn;
