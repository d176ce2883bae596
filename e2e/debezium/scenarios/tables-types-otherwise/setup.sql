create schema inventory;
create type inventory.mood as enum ('sad', 'ok', 'happy');
create domain inventory.positive as integer check (value > 0);
create table inventory.types (
  id uuid primary key default gen_random_uuid(),
  c_bool boolean, c_int2 smallint, c_int4 integer default 42, c_int8 bigint, c_oid oid,
  c_float4 real, c_float8 double precision,
  c_numeric numeric, c_decimal numeric(12, 3), c_whole numeric(5, 0), c_money money,
  c_text text not null default 'x''y', c_char char(5), c_varchar varchar(20), c_one "char",
  c_bytea bytea, c_json json, c_jsonb jsonb not null default '{}', c_xml xml,
  c_date date, c_time time, c_time3 time(3), c_timetz timetz,
  c_timestamp timestamp, c_timestamp3 timestamp(3), c_timestamptz timestamptz,
  c_interval interval, c_inet inet, c_cidr cidr, c_mac macaddr,
  c_bit1 bit(1), c_bit5 bit(12), c_varbit bit varying(12),
  c_int4s integer[], c_texts text[], c_bools boolean[], c_numerics numeric(5, 2)[], c_uuids uuid[],
  c_dates date[], c_timestamptzs timestamptz[],
  c_int4range int4range, c_tsrange tsrange, c_mood inventory.mood, c_moods inventory.mood[],
  c_positive inventory.positive, c_point point, c_tsvector tsvector
);
alter table inventory.types replica identity full;
