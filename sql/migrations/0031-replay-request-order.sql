-- Replays are listed by time, page by page, and every one that was ever asked for is kept.
create index replay_request_at on evt.replay_request (at, id);
