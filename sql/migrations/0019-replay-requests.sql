-- Replays that were asked for: whoever asked can tell one that is over from one that never was.
create table evt.replay_request (
  id            uuid        primary key,
  at            timestamptz not null default clock_timestamp(),
  projection_id int         not null,
  version       int         not null
);

-- Replays of the key that were under way when drain_request took it over. They end with it.
alter table evt.parked_key add column drain_joined uuid[] not null default '{}';
create index parked_key_joined on evt.parked_key using gin (drain_joined) where drain_joined <> '{}';

insert into evt.replay_request (id, projection_id, version)
select distinct on (request) request, projection_id, version from evt.dead_letter_log
where request is not null and action = 'replay'
union
select distinct on (drain_request) drain_request, projection_id, version from evt.parked_key
where drain_request is not null
on conflict do nothing;
