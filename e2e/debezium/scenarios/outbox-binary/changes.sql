insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd1', 'Order', '1', 'A', '\x000000000102ff');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd2', 'Order', '1', 'B', null);
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd3', 'Order', '1', 'C', '\x');
