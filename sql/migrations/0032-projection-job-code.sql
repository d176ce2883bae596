-- Programs decide by a code what to do about an order that was refused; `reason` is for people.
alter table evt.projection_job
  -- Of a job that failed; null in jobs of before.
  add column code text;
