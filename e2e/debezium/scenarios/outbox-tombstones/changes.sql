insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd1', 'Order', '1', 'A', '{"id": 1}');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd2', 'Order', '1', 'B', null);
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd3', 'Order', '1', 'C', '');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd4', 'Order', '1', 'D', '  ');
insert into shop.outbox values ('4d47e190-0402-4048-bc2c-89dd54343cd5', 'Order', '1', 'E', '"x"');
