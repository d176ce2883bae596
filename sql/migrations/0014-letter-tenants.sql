-- Whose an event is, where a topic has events of several tenants: part of the key that is parked, so that
-- the failure of one tenant holds up no event of another. Empty without tenants.

alter table evt.parked_key add column tenant text not null default '';
alter table evt.dead_letter add column tenant text not null default '';

create index parked_key_tenant on evt.parked_key (projection_id, version, tenant) where tenant <> '';
