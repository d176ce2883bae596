insert into shop.outbox (channel, tenant_id, kind, body, occurred_at, schema_version, shard, amount, created, raw, big, ratio) values
  ('orders', 7, 'Placed', '{"id": 1}', '2026-11-21 03:08:47.123', 1, 2, 12.50, '2026-11-21 03:08:47.5+02', '\x00ff', 9007199254740993, 1e10),
  ('orders', 7, 'Placed', '{"id": 2}', '2026-11-21 03:08:48', 2, 0, -0.01, null, null, null, 0.1);
