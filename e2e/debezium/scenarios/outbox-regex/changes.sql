insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd1', 'shop-Order', '1', 'A', '{"id": 1}');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd2', 'Order', '1', 'B', '{"id": 2}');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd3', 'Shop-Order', '1', 'C', '{"id": 3}');
