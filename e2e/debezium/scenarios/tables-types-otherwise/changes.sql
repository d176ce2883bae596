insert into inventory.types values ('4d47e190-0402-4048-bc2c-89dd54343cd1',
  true, -32768, 2147483647, 9223372036854775807, 4294967295,
  1.1, 1e300, 123456789012345678901234567890.123456789, -1234.5, 99999, '$1,234.56',
  E'quote " back \\ tab \t é', 'ab', 'varchar', 'c',
  '\x00ff10', '{"a":  1.10}', '{"b": 12345678901234567890}', '<a>b</a>',
  '2026-11-21', '03:08:47.123456', '03:08:47.123', '03:08:47.5+02',
  '2026-11-21 03:08:47.123456', '2026-11-21 03:08:47.12', '2026-11-21 03:08:47.1+02',
  '1 year 2 mons 3 days 04:05:06.789', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03',
  '1', '101100000001', '1011',
  '{1,null,-3}', '{"a","b \"c\"",null,""}', '{t,f}', '{1.5,2.25}', '{4d47e190-0402-4048-bc2c-89dd54343cd1}',
  '{2026-11-21,1969-12-31}', '{"2026-11-21 03:08:47.123456+00"}',
  '[1,10)', '["2026-11-21 00:00:00",)', 'happy', '{sad,ok}',
  7, '(1.5,-2)', 'fat cat');
insert into inventory.types (id) values ('4d47e190-0402-4048-bc2c-89dd54343cd2');
insert into inventory.types (id, c_date, c_timestamp, c_timestamptz, c_numeric, c_decimal, c_float8, c_float4, c_interval)
  values ('4d47e190-0402-4048-bc2c-89dd54343cd3', '0044-03-15 BC', '1900-01-01', '0001-01-01 00:00:00+00', 0, 0.001, 'NaN', '-Infinity', '-1 day');
insert into inventory.types (id, c_timestamp, c_timestamptz, c_numeric)
  values ('4d47e190-0402-4048-bc2c-89dd54343cd4', 'infinity', '-infinity', -1e-20);
update inventory.types set c_int4 = 1 where id = '4d47e190-0402-4048-bc2c-89dd54343cd2';
